/** Stands in for xmlbuilder2, which only vtk.js' XML readers would call and no page uses. */
const refuse = (): never => {
  throw new Error('xmlbuilder2 is not part of this build');
};
export const create = refuse;
export const convert = refuse;
export const fragment = refuse;
export const decycle = refuse;
export default { create, convert, fragment };
