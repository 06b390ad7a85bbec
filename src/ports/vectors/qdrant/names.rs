//! What collections and aliases are called in Qdrant.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::Collection;

/// The alias of what searches use.
pub(super) fn alias(prefix: &str, name: &str) -> String {
    format!("{prefix}.{name}")
}

/// The name that an alias of ours stands for.
pub(super) fn of_alias<'a>(prefix: &str, alias: &'a str) -> Option<&'a str> {
    alias.strip_prefix(prefix)?.strip_prefix('.').filter(|name| !name.contains('.'))
}

/// The collection of a version. It holds the model's name, which may have any character, in base64.
pub(super) fn physical(prefix: &str, c: &Collection) -> String {
    let model = BASE64_URL_SAFE_NO_PAD.encode(&c.model);
    format!("{prefix}.{}.{}.{}.{model}", c.name, c.dimension, c.build)
}

/// The version of a collection of ours.
pub(super) fn parse(prefix: &str, physical: &str) -> Option<Collection> {
    let rest = physical.strip_prefix(prefix)?.strip_prefix('.')?;
    let [name, dimension, build, model] = rest.split('.').collect::<Vec<_>>()[..] else { return None };
    let model = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(model).ok()?).ok()?;
    Some(Collection {
        name: name.to_owned(),
        model,
        dimension: dimension.parse().ok()?,
        build: build.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_tells_the_version(
            name in "[a-z0-9_]{1,40}", model in "\\PC{1,30}", dimension in 1_usize..2_000, build in 0_i64..i64::MAX,
        ) {
            let c = Collection { name, model, dimension, build };
            let named = physical("gigsy", &c);
            prop_assert!(named.len() <= 255);
            prop_assert_eq!(parse("gigsy", &named), Some(c.clone()));
            prop_assert_eq!(parse("gigs", &named), None);
            let alias = alias("gigsy", &c.name);
            prop_assert_eq!(of_alias("gigsy", &alias), Some(c.name.as_str()));
            prop_assert_eq!(of_alias("gigsy", &named), None);
        }
    }
}
