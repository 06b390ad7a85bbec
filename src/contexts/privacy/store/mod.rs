//! Schema `privacy`. Every function takes the connection that the use case is in.

pub mod erasures;
pub mod exports;
