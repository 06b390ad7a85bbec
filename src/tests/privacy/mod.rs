//! Data rights: an archive of everything, and nothing that is left (property 14).

pub(crate) mod person;
mod proof;
mod scan;
