//! Discovery over its real stores: what is found, who is told, what survives a crash.

mod indexing;
mod matching;
mod recommending;
mod searching;
mod world;
