import { personName } from '../../frame/patient';
import { useText } from '../../i18n';
import { type Instance, items, text } from './dicom-json';

/** Deeper than any report a person wrote: a hostile one ends here. */
const DEEPEST = 12;

/** The meaning of a code, as written by whoever made the report. */
function meaning(item: Instance, tag: string): string {
  const code = items(item, tag)[0];
  return code ? text(code, '00080104') || text(code, '00080100') : '';
}

/** What one content item says, by its value type (PS3.3 C.17.3). */
function valueOf(item: Instance): string {
  switch (text(item, '0040A040')) {
    case 'TEXT':
      return text(item, '0040A160');
    case 'CODE':
      return meaning(item, '0040A168');
    case 'NUM': {
      const measured = items(item, '0040A300')[0];
      return measured ? `${text(measured, '0040A30A')} ${meaning(measured, '004008EA')}`.trim() : '';
    }
    case 'PNAME':
      return personName(text(item, '0040A123'));
    case 'DATE':
      return text(item, '0040A121');
    case 'TIME':
      return text(item, '0040A122');
    case 'DATETIME':
      return text(item, '0040A120');
    default:
      return '';
  }
}

function Item({ item, depth }: { item: Instance; depth: number }) {
  const children = depth < DEEPEST ? items(item, '0040A730') : [];
  const name = meaning(item, '0040A043');
  const value = valueOf(item);
  if (!name && !value && children.length === 0) return null;
  return (
    <li>
      {name && <span className={value ? 'second' : 'heading'}>{name}</span>} {value}
      {children.length > 0 && (
        <ul>
          {children.map((child, index) => (
            <Item key={index} item={child} depth={depth + 1} />
          ))}
        </ul>
      )}
    </li>
  );
}

/** A structured report as its own headings and values, in its own language. */
export function ReportTree({ instance }: { instance: Instance }) {
  const t = useText();
  const content = items(instance, '0040A730');
  if (content.length === 0) return <p>{t('viewer.reportEmpty')}</p>;
  return (
    <ul className="report">
      {content.map((item, index) => (
        <Item key={index} item={item} depth={0} />
      ))}
    </ul>
  );
}
