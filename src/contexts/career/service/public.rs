//! What other contexts may read of careers: public profiles, approved mentors; and a person's own profile, for
//! what is shown to that person alone.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    contexts::career::{
        Career, CareerError,
        model::{Mentor, Profile, ProfileForm},
        store,
        views::MentorView,
    },
    principal::UserId,
};

/// A profile, and the projects that are shown with it.
#[derive(Clone, Debug)]
pub struct PublicProfile {
    /// Whose it is.
    pub user_id: UserId,
    /// What they are called.
    pub display_name: String,
    /// What they wrote.
    pub form: ProfileForm,
    /// Titles and summaries of public projects.
    pub projects: Vec<(String, String)>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Career {
    /// Those of `people` whose profile everybody may see, in no order.
    ///
    /// # Errors
    /// The database's.
    pub async fn public_profiles(&self, people: &[UserId]) -> Result<Vec<PublicProfile>, CareerError> {
        let mut conn = self.conn().await?;
        let found = store::public::profiles(&mut conn, people).await?;
        let ids: Vec<UserId> = found.iter().map(|profile| profile.user_id).collect();
        let mut projects = store::public::projects(&mut conn, &ids).await?;
        drop(conn);
        let mut names = self.names(ids).await?;
        let mut all = Vec::with_capacity(found.len());
        for Profile { user_id, doc, updated_at, .. } in found {
            // Whoever is nobody any more is shown to nobody.
            let Some(display_name) = names.remove(&user_id) else { continue };
            let form = serde_json::from_value(doc)?;
            let projects = projects.remove(&user_id).unwrap_or_default();
            all.push(PublicProfile { user_id, display_name, form, projects, updated_at });
        }
        Ok(all)
    }

    /// The ids of people with a public profile, ascending, after one.
    ///
    /// # Errors
    /// The database's.
    pub async fn public_profile_ids(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Uuid>, CareerError> {
        Ok(store::public::profile_ids(&mut *self.conn().await?, after, limit).await?)
    }

    /// What somebody wrote of themselves, whoever may see it: only for what they alone are shown.
    ///
    /// # Errors
    /// The database's.
    pub async fn profile_of(&self, user: UserId) -> Result<Option<ProfileForm>, CareerError> {
        let found = store::portfolio::load(&mut *self.conn().await?, user).await?;
        Ok(found.map(|profile| serde_json::from_value(profile.doc)).transpose()?)
    }

    /// Those of `people` who can be booked as mentors, in no order, and when they last changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn approved_mentors(
        &self,
        people: &[UserId],
    ) -> Result<Vec<(MentorView, DateTime<Utc>)>, CareerError> {
        let found: Vec<Mentor> = store::public::mentors(&mut *self.conn().await?, people).await?;
        let mut names = self.names(found.iter().map(|mentor| mentor.id)).await?;
        let mut all = Vec::with_capacity(found.len());
        for mentor in found {
            let Some(name) = names.remove(&mentor.id) else { continue };
            let at = mentor.updated_at;
            all.push((MentorView::of(mentor, Some(name), &[])?, at));
        }
        Ok(all)
    }

    /// The ids of approved mentors, ascending, after one.
    ///
    /// # Errors
    /// The database's.
    pub async fn approved_mentor_ids(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Uuid>, CareerError> {
        Ok(store::public::mentor_ids(&mut *self.conn().await?, after, limit).await?)
    }
}
