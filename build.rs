//! Migrations are compiled in; a new folder among them is no change to any file that rustc knows.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
