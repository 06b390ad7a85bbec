//! Secrets are not shown where settings are.

use url::Url;

pub(super) fn mask_url<S: serde::Serializer>(url: &Option<Url>, ser: S) -> Result<S::Ok, S::Error> {
    let Some(url) = url else {
        return ser.serialize_none();
    };
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Only a URL without a host refuses a password, and such a one has none to hide.
        let _ = shown.set_password(Some("***"));
    }
    shown.set_query(None);
    ser.serialize_str(shown.as_str())
}

pub(super) fn mask_hosts<S: serde::Serializer>(url: &Option<String>, ser: S) -> Result<S::Ok, S::Error> {
    let Some(url) = url else { return ser.serialize_none() };
    let (scheme, rest) = url.split_once("://").unwrap_or(("mongodb", ""));
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, hosts)) => ser.serialize_str(&format!("{scheme}://***@{hosts}")),
        None => ser.serialize_str(&format!("{scheme}://{rest}")),
    }
}

pub(super) fn mask<S: serde::Serializer>(_: &Option<String>, ser: S) -> Result<S::Ok, S::Error> {
    ser.serialize_str("***")
}
