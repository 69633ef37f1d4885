/** The JSON of what of a study is on the township's machine, and of what was asked of the county. */

/** A report the county sent down to the township. */
export interface ReportHere {
  study_instance_uid: string;
  series_instance_uid: string;
  sop_instance_uid: string;
  form: 'pdf' | 'structured' | 'document';
  state: 'coming' | 'here' | 'set-aside';
  at: string;
  /** Why it could not be had. */
  code: string;
}

/** How far a study is that was asked of the county. */
export interface PriorHere {
  state: 'asked' | 'fetching' | 'here' | 'set-aside' | 'refused';
  code: string;
  objects: number | null;
  here: number;
  set_aside: number;
  asked_at: string;
}

/** A study that is, or was, sent on to a DICOM node of the house. */
export interface SentOn {
  id: string;
  ae_title: string;
  state: 'waiting' | 'done' | 'failed';
  sent: number;
  code: string;
  asked_at: string;
}

export interface PriorDetail {
  prior: PriorHere & { sends: SentOn[] };
}

/** Where a study can be sent on to. */
export interface DestinationList {
  items: { ae_title: string }[];
}

/** What of one study is on the township's machine. */
export interface StudyHere {
  study_instance_uid: string;
  /** Images that can be opened here. */
  images: number;
  /** Images that were here and are only at the county now. */
  gone: number;
  reports: ReportHere[];
  prior: PriorHere | null;
}

/** A study of a patient that can be looked at, or asked of the county. */
export interface EarlierStudy {
  study_instance_uid: string;
  study_date_time: string | null;
  modalities: string[];
  description: string;
  accession_number: string;
  images: number | null;
  here: StudyHere;
}

export interface EarlierList {
  items: EarlierStudy[];
  county: 'told' | 'unreachable' | 'not-enrolled' | 'not-asked';
}
