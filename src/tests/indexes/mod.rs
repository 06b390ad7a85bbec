//! The text index and the vector store: each port's contract over its adapters, and what the servers'
//! adapters do when the server fails.

mod embedded;
mod meilisearch;
mod qdrant;
mod servers;
