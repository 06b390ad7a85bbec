//! What people type in, and what is left of it once it is checked.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    Email, Password,
    fields::{self, BIO_MAX, HEADLINE_MAX},
};
use crate::{error::FieldError, principal::Role};

/// A registration as it is typed in.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterForm {
    /// The e-mail address; case does not matter.
    #[schema(example = "lina@example.org", max_length = 254)]
    pub email: String,
    /// At least 8 characters and at most 256 bytes.
    #[schema(example = "a long enough phrase", min_length = 8, max_length = 256, format = Password)]
    pub password: String,
    /// The name others see: one line, 1 to 64 characters.
    #[schema(example = "Lina Okafor", min_length = 1, max_length = 64)]
    pub display_name: String,
    /// `student` (the default) or `client`.
    #[serde(default)]
    pub role: Option<Role>,
}

/// A registration whose fields are all in order.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// The name others see.
    pub display_name: String,
    /// Student or client.
    pub role: Role,
}

impl RegisterForm {
    /// Checks every field.
    ///
    /// # Errors
    /// All fields that are wrong, not only the first.
    pub fn check(&self) -> Result<NewAccount, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let email = keep(&mut wrong, "/email", Email::parse(&self.email));
        let password = keep(&mut wrong, "/password", Password::choose(&self.password));
        let display_name = keep(&mut wrong, "/display_name", fields::display_name(&self.display_name));
        let role = self.role.unwrap_or(Role::Student);
        if !matches!(role, Role::Student | Role::Client) {
            wrong.push(FieldError::new("/role", "must be student or client; other roles are granted"));
        }
        match (email, password, display_name) {
            (Some(email), Some(password), Some(display_name)) if wrong.is_empty() => {
                Ok(NewAccount { email, password, display_name, role })
            }
            _ => Err(wrong),
        }
    }
}

/// A member of a JSON merge patch (RFC 7396): absent, `null`, or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Leave as it is.
    #[default]
    Keep,
    /// Remove.
    Clear,
    /// Replace.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(Self::Clear, Self::Set))
    }
}

/// A change of one's own profile; what is absent stays.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// The name others see: one line, 1 to 64 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Lina Okafor", min_length = 1, max_length = 64)]
    pub display_name: Patch<String>,
    /// One line, at most 120 characters; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 120)]
    pub headline: Patch<String>,
    /// At most 2,000 characters; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub bio: Patch<String>,
    /// An IANA time zone; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    pub time_zone: Patch<String>,
}

/// A profile change whose fields are all in order: the outer `None` keeps, the inner one clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The name others see.
    pub display_name: Option<String>,
    /// One line about the person.
    pub headline: Option<Option<String>>,
    /// A few paragraphs about the person.
    pub bio: Option<Option<String>>,
    /// Their IANA time zone.
    pub time_zone: Option<Option<String>>,
}

impl ProfileChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ProfilePatch {
    /// Checks every field.
    ///
    /// # Errors
    /// All fields that are wrong, not only the first.
    pub fn check(&self) -> Result<ProfileChange, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let display_name = match &self.display_name {
            Patch::Keep => None,
            Patch::Clear => {
                wrong.push(FieldError::new("/display_name", "cannot be removed"));
                None
            }
            Patch::Set(text) => keep(&mut wrong, "/display_name", fields::display_name(text)),
        };
        let change = ProfileChange {
            display_name,
            headline: optional(&mut wrong, "/headline", &self.headline, |text| {
                fields::optional_line(text, HEADLINE_MAX)
            }),
            bio: optional(&mut wrong, "/bio", &self.bio, |text| fields::paragraph(text, BIO_MAX)),
            time_zone: optional(&mut wrong, "/time_zone", &self.time_zone, |text| {
                match text.parse::<chrono_tz::Tz>() {
                    Ok(zone) => Ok(Some(zone.name().to_owned())),
                    Err(_) => Err("is not an IANA time zone".into()),
                }
            }),
        };
        if wrong.is_empty() { Ok(change) } else { Err(wrong) }
    }
}

fn optional(
    wrong: &mut Vec<FieldError>,
    pointer: &str,
    patch: &Patch<String>,
    check: impl Fn(&str) -> Result<Option<String>, String>,
) -> Option<Option<String>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(text) => keep(wrong, pointer, check(text)),
    }
}

/// The value, or a note of what is wrong with it.
fn keep<T, E: Into<String>>(wrong: &mut Vec<FieldError>, pointer: &str, result: Result<T, E>) -> Option<T> {
    result.map_err(|detail| wrong.push(FieldError::new(pointer, detail.into()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str) -> Result<NewAccount, Vec<String>> {
        let form: RegisterForm = serde_json::from_str(json).unwrap();
        form.check().map_err(|wrong| wrong.into_iter().map(|field| field.pointer).collect())
    }

    #[test]
    fn all_wrong_fields_are_told_at_once() {
        let wrong = form(r#"{"email":"x","password":"short","display_name":" ","role":"operator"}"#);
        assert_eq!(wrong.unwrap_err(), ["/email", "/password", "/display_name", "/role"]);
    }

    #[test]
    fn nobody_registers_as_more_than_student_or_client() {
        for role in Role::ALL {
            let json = format!(
                r#"{{"email":"a@example.org","password":"long enough","display_name":"A","role":"{role}"}}"#
            );
            assert_eq!(form(&json).is_ok(), matches!(role, Role::Student | Role::Client), "{role}");
        }
        let json = r#"{"email":"a@example.org","password":"long enough","display_name":"A"}"#;
        assert_eq!(form(json).unwrap().role, Role::Student);
        let more =
            r#"{"email":"a@example.org","password":"long enough","display_name":"A","roles":["operator"]}"#;
        assert!(serde_json::from_str::<RegisterForm>(more).is_err());
    }

    #[test]
    fn absent_null_and_value_are_told_apart() {
        let patch: ProfilePatch = serde_json::from_str(r#"{"bio":null,"headline":"Builds things"}"#).unwrap();
        let change = patch.check().unwrap();
        assert_eq!(change.bio, Some(None));
        assert_eq!(change.headline, Some(Some("Builds things".into())));
        assert_eq!((change.display_name, change.time_zone), (None, None));
        let bad: ProfilePatch =
            serde_json::from_str(r#"{"display_name":null,"time_zone":"Mars/Base","bio":"\u0000"}"#).unwrap();
        let wrong: Vec<_> = bad.check().unwrap_err().into_iter().map(|field| field.pointer).collect();
        assert_eq!(wrong, ["/display_name", "/bio", "/time_zone"]);
    }
}
