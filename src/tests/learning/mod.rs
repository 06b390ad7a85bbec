//! Learning: courses, attempts, grading, certificates.

mod attempt;
mod certificate;
mod channel;
mod courses;
mod document;
mod gift;
mod grading;
mod http;
mod live;
mod places;
mod privacy;
mod qti;
mod world;
