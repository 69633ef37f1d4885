import { type TextKey, useText } from '../../i18n';
import { applyPreset, presetsOf, takeTool } from './acts';
import type { Hand, ToolName } from './engine';
import { activePane, chooseLayout, LAYOUTS, useViewer } from './state';

const TOOLS: readonly [name: ToolName, key: string][] = [
  ['WindowLevel', 'W'],
  ['Zoom', 'Z'],
  ['Pan', 'T'],
  ['Length', 'D'],
  ['Angle', 'A'],
  ['EllipticalROI', 'E'],
  ['RectangleROI', '⇧E'],
];

/** The bar of tools: a word and its key each, and the window presets of what is shown. */
export function Tools({ hand, series, back }: { hand: Hand | null; series: readonly string[]; back: () => void }) {
  const t = useText();
  const tool = useViewer((viewer) => viewer.tool);
  const layout = useViewer((viewer) => viewer.layout);
  const linked = useViewer((viewer) => viewer.linked);
  const state = useViewer((viewer) => viewer.states[viewer.active]);
  const presets = state?.status === 'ready' ? presetsOf(activePane()?.shown, state.index) : [];
  const ready = state?.status === 'ready';

  /** Runs *act* and gives the keys back to the images. */
  const press = (act: () => void) => () => {
    act();
    back();
  };
  const button = (
    label: string,
    key: string,
    act: () => void,
    { pressed, able = true }: { pressed?: boolean; able?: boolean } = {},
  ) => (
    <button key={label} type="button" className="tool" aria-pressed={pressed} disabled={!able} onClick={press(act)}>
      {label}
      {key && <kbd>{key}</kbd>}
    </button>
  );

  return (
    <div className="tools" role="toolbar" aria-label={t('viewer.tools')}>
      <span className="group">
        {TOOLS.map(([name, key]) =>
          button(t(`tool.${name}`), key, () => takeTool(hand, name), { pressed: tool === name, able: ready }),
        )}
      </span>
      <span className="group">
        {presets.map((preset, index) =>
          button(
            preset.label ? t(`window.${preset.label}` as TextKey) : preset.name || t('window.own'),
            String(index + 1),
            () => applyPreset(index + 1),
          ),
        )}
      </span>
      <span className="group">
        {button(t('act.invert'), 'I', () => activePane()?.invert(), { able: ready })}
        {button(t('act.flipH'), 'H', () => activePane()?.flip('horizontal'), { able: ready })}
        {button(t('act.flipV'), 'V', () => activePane()?.flip('vertical'), { able: ready })}
        {button(t('act.rotate'), 'R', () => activePane()?.rotate(90), { able: ready })}
        {button(t('act.reset'), t('key.space'), () => activePane()?.reset(), { able: ready })}
        {button(t(state?.playing ? 'act.stop' : 'act.cine'), 'C', () => activePane()?.play(), {
          pressed: state?.playing ?? false,
          able: ready && state.count > 1,
        })}
      </span>
      <span className="group">
        {LAYOUTS.map((one) =>
          button(one.replace('x', '×'), '', () => chooseLayout(one, series), { pressed: layout === one }),
        )}
        {layout !== '1x1' &&
          button(t('act.link'), 'Y', () => useViewer.setState({ linked: !linked }), { pressed: linked })}
      </span>
    </div>
  );
}
