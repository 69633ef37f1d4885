import type { ConfigProviderProps } from 'antd';
import { theme } from 'antd';

/** One table of colours; styles/tokens.css carries the same values for what antd does not draw. */
export const LIGHT = {
  ground: '#F4F6F8',
  paper: '#FFFFFF',
  text: '#1F2933',
  second: '#52606D',
  line: '#D3DAE1',
  edge: '#8A96A3',
  accent: '#0B5CAD',
  selection: '#DCEBFA',
} as const;

export const DARK = {
  ground: '#000000',
  panel: '#14181D',
  raised: '#1E242B',
  text: '#D5DBE1',
  second: '#9AA7B4',
  line: '#39434E',
  accent: '#6DB3FF',
} as const;

const FONT = '"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","SimSun-ExtB",sans-serif';
const FONT_EN = '"Segoe UI",Roboto,Arial,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif';

function calm(): boolean {
  return (navigator.hardwareConcurrency ?? 2) <= 2 || matchMedia('(prefers-reduced-motion: reduce)').matches;
}

type Look = NonNullable<ConfigProviderProps['theme']>;

function shared(language: string) {
  return {
    fontFamily: language === 'en' ? FONT_EN : FONT,
    fontSize: 14,
    controlHeight: 32,
    controlHeightSM: 28,
    borderRadius: 4,
    borderRadiusLG: 4,
    borderRadiusSM: 4,
    motion: !calm(),
    boxShadow: 'none',
    wireframe: false,
  };
}

export function lightTheme(language: string): Look {
  return {
    token: {
      ...shared(language),
      colorPrimary: LIGHT.accent,
      colorInfo: LIGHT.accent,
      colorLink: LIGHT.accent,
      colorText: LIGHT.text,
      colorTextSecondary: LIGHT.second,
      colorTextDescription: LIGHT.second,
      colorTextPlaceholder: LIGHT.second,
      colorBorder: LIGHT.edge,
      colorBorderSecondary: LIGHT.line,
      colorBgLayout: LIGHT.ground,
      colorBgContainer: LIGHT.paper,
      colorError: '#C4221A',
      colorSuccess: '#00775A',
      controlItemBgActive: LIGHT.selection,
    },
    components: { Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none' } },
  };
}

export function darkTheme(language: string): Look {
  return {
    algorithm: theme.darkAlgorithm,
    token: {
      ...shared(language),
      colorPrimary: DARK.accent,
      colorInfo: DARK.accent,
      colorLink: DARK.accent,
      colorText: DARK.text,
      colorTextSecondary: DARK.second,
      colorBorder: '#5D6A77',
      colorBorderSecondary: DARK.line,
      colorBgBase: DARK.panel,
      colorBgLayout: DARK.ground,
      colorBgContainer: DARK.raised,
      colorBgElevated: DARK.raised,
      colorTextLightSolid: '#000000',
    },
    components: { Button: { primaryShadow: 'none', defaultShadow: 'none' } },
  };
}
