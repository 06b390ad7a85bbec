//! Discovery over its real stores: what is found, who is told, what survives a crash.

mod endpoint;
mod hostile;
mod indexing;
mod matching;
mod models;
mod recommending;
mod renaming;
mod searching;
mod world;
