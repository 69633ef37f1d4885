import { Checkbox } from 'antd';

import { hasText, useText } from '../../i18n';
import { ADMINISTRATORS, withRole, WORK } from './roles';

/** Chooses roles; an administrator's takes all others out, and says so. */
export function RoleChoice({ roles, change }: { roles: readonly string[]; change: (roles: string[]) => void }) {
  const t = useText();
  const group = (names: readonly string[], legend: string) => (
    <fieldset className="admin-checks role-group">
      <legend>{legend}</legend>
      {names.map((role) => {
        const key = `role.${role}`;
        return (
          <Checkbox
            key={role}
            checked={roles.includes(role)}
            onChange={(event) => change(withRole(roles, role, event.target.checked))}
            data-testid={`role-${role}`}
          >
            {hasText(key) ? t(key) : role}
          </Checkbox>
        );
      })}
    </fieldset>
  );
  return (
    <div className="role-choice" data-testid="roles">
      {group(WORK, t('account.work'))}
      {group(ADMINISTRATORS, t('account.administrators'))}
      <p className="quiet">{t('account.threeApart')}</p>
    </div>
  );
}
