/** VitePress' own theme, with the fonts of the system. */
import DefaultTheme from "vitepress/theme-without-fonts";
// oxlint-disable-next-line import/no-unassigned-import -- Vite takes the style out of it
import "./style.css";

export default DefaultTheme;
