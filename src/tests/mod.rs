//! The one test binary: `support/`, and a folder for each part of the system.

<<<<<<< HEAD
mod support;
mod system;
=======
mod identity;
>>>>>>> main
