//! What a person wants to be told, and how.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError,
        kinds::kind,
        model::{Channels, Chosen, Preferences, QuietHours, QuietHoursForm, minute},
        store,
        views::{PreferencesForm, PreferencesPatch},
    },
    error::FieldError,
    principal::UserId,
};

/// Collects what is wrong.
#[derive(Default)]
struct Check(Vec<FieldError>);

impl Check {
    fn refuse(&mut self, pointer: impl Into<String>, detail: &str) {
        self.0.push(FieldError::new(pointer, detail));
    }

    fn zone(&mut self, text: &str) -> String {
        match text.parse::<Tz>() {
            Ok(zone) => zone.name().to_owned(),
            Err(_) => {
                self.refuse("/zone", "is not an IANA time zone");
                String::new()
            }
        }
    }

    fn hour(&mut self, hour: u8) -> u8 {
        if hour > 23 {
            self.refuse("/digest_hour", "must be from 0 to 23");
        }
        hour
    }

    fn quiet(&mut self, form: &QuietHoursForm) -> Option<QuietHours> {
        let mut read = |name: &str, text: &str| {
            let time = minute(text);
            if time.is_none() {
                self.refuse(format!("/quiet_hours/{name}"), "must be a time of day, HH:MM");
            }
            time
        };
        let (from, to) = (read("from", &form.from)?, read("to", &form.to)?);
        if from == to {
            self.refuse(
                "/quiet_hours/to",
                "must be another time than from; to get no mail, set email to false",
            );
        }
        Some(QuietHours { from, to })
    }

    fn kinds(&mut self, own: &mut BTreeMap<String, Channels>, given: &BTreeMap<String, Channels>) {
        for (name, channels) in given {
            match kind(name) {
                // Only what differs is kept: a default that changes reaches those who never chose.
                Some(kind) if kind.default == *channels => {
                    own.remove(name);
                }
                Some(_) => {
                    own.insert(name.clone(), *channels);
                }
                None => {
                    let name: String = name.chars().take(100).collect();
                    let name = name.replace('~', "~0").replace('/', "~1");
                    self.refuse(format!("/kinds/{name}"), "is not a kind of notification");
                }
            }
        }
    }

    fn done(self, preferences: Preferences) -> Result<Preferences, NotificationsError> {
        if self.0.is_empty() { Ok(preferences) } else { Err(NotificationsError::Invalid(self.0)) }
    }
}

impl Notifications {
    /// What the person wants.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub async fn preferences(&self, user: UserId) -> Result<Chosen, NotificationsError> {
        let mut chosen = store::preferences::load(&mut *self.conn().await?, user).await?;
        if chosen.version == 0
            && let Some(zone) = self.profile_zone(user).await?
        {
            // What a first change would be based on.
            chosen.preferences.zone = zone;
        }
        Ok(chosen)
    }

    async fn profile_zone(&self, user: UserId) -> Result<Option<String>, NotificationsError> {
        Ok(self.parts().people.contact(user).await?.and_then(|contact| contact.zone))
    }

    /// Replaces what the person wanted at `version`.
    ///
    /// # Errors
    /// [`NotificationsError::Invalid`] with every wrong field; [`NotificationsError::Stale`].
    pub async fn replace_preferences(
        &self,
        user: UserId,
        version: i64,
        form: &PreferencesForm,
    ) -> Result<Chosen, NotificationsError> {
        let mut check = Check::default();
        let mut own = Preferences::default();
        own.zone = match &form.zone {
            Some(zone) => check.zone(zone),
            None => self.profile_zone(user).await?.unwrap_or(own.zone),
        };
        own.digest = form.digest.unwrap_or(own.digest);
        own.digest_hour = form.digest_hour.map_or(own.digest_hour, |hour| check.hour(hour));
        own.quiet_hours = form.quiet_hours.as_ref().and_then(|quiet| check.quiet(quiet));
        own.email = form.email.unwrap_or(own.email);
        check.kinds(&mut own.kinds, &form.kinds);
        self.save(user, version, check.done(own)?).await
    }

    /// Changes what the person wanted at `version`.
    ///
    /// # Errors
    /// As [`Notifications::replace_preferences`].
    pub async fn change_preferences(
        &self,
        user: UserId,
        version: i64,
        patch: &PreferencesPatch,
    ) -> Result<Chosen, NotificationsError> {
        let chosen = self.preferences(user).await?;
        if chosen.version != version {
            return Err(NotificationsError::Stale);
        }
        let mut check = Check::default();
        let mut own = chosen.preferences;
        if let Some(zone) = &patch.zone {
            own.zone = check.zone(zone);
        }
        own.digest = patch.digest.unwrap_or(own.digest);
        own.digest_hour = patch.digest_hour.map_or(own.digest_hour, |hour| check.hour(hour));
        match &patch.quiet_hours {
            None => {}
            Some(None) => own.quiet_hours = None,
            Some(Some(quiet)) => own.quiet_hours = check.quiet(quiet),
        }
        own.email = patch.email.unwrap_or(own.email);
        check.kinds(&mut own.kinds, &patch.kinds);
        self.save(user, version, check.done(own)?).await
    }

    async fn save(
        &self,
        user: UserId,
        version: i64,
        preferences: Preferences,
    ) -> Result<Chosen, NotificationsError> {
        let mut conn = self.conn().await?;
        let saved = store::preferences::save(&mut conn, user, version, &preferences, self.now()).await?;
        Ok(Chosen { version: saved.ok_or(NotificationsError::Stale)?, preferences })
    }
}
