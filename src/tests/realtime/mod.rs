//! The real-time layer over a real listener.

mod fixture;
