declare module 'virtual:dicom-words' {
  /** Lines of tag, value representation, multiplicity and keyword. */
  const words: string;
  export default words;
}
