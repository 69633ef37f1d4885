import { useQuery } from '@tanstack/react-query';
import { Select } from 'antd';

import { type House, HOUSES, houses } from './asks';

/** Every house by code. */
export function useHouses(): ReadonlyMap<string, House> {
  const { data } = useQuery({ queryKey: HOUSES, queryFn: ({ signal }) => houses(signal) });
  return new Map((data ?? []).map((house) => [house.code, house]));
}

/** Chooses a house by typing a part of its name or code. */
export function HouseSelect({
  id,
  value,
  change,
  among = () => true,
  none,
  described,
  label,
}: {
  id: string;
  value: string;
  change: (code: string) => void;
  among?: (house: House) => boolean;
  /** What stands for no house, where none may be chosen. */
  none?: string;
  described?: string;
  /** Its name, where no label stands before it. */
  label?: string;
}) {
  const known = useHouses();
  const options = [...known.values()].filter(among).map(({ code, name }) => ({ value: code, label: name, code }));
  return (
    <Select
      id={id}
      className="admin-wide"
      showSearch={{ filterOption: (typed, option) => `${option?.label} ${option?.code}`.toLowerCase().includes(typed.toLowerCase()) }}
      aria-describedby={described}
      aria-label={label}
      value={value || (none === undefined ? undefined : '')}
      options={none === undefined ? options : [{ value: '', label: none, code: '' }, ...options]}
      onChange={change}
    />
  );
}
