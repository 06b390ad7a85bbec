//! The kit stands on unwinding.

use std::panic::catch_unwind;

#[test]
fn this_build_unwinds() {
    assert!(catch_unwind(|| panic!("caught")).is_err());
    const { assert!(cfg!(panic = "unwind")) };
}

#[test]
fn no_profile_aborts_on_panic() {
    let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
    let profiles = manifest["profile"].as_table().unwrap();
    assert_eq!(profiles["release"]["panic"].as_str(), Some("unwind"));
    for (name, profile) in profiles {
        assert_ne!(profile.get("panic").and_then(|p| p.as_str()), Some("abort"), "{name}");
    }
}
