//! Learning: courses, attempts, grading, certificates.

mod attempt;
mod certificate;
mod courses;
mod gift;
mod grading;
mod http;
mod places;
mod privacy;
mod world;
