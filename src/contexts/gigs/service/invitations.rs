//! A client asks somebody to apply.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::{gigs::visible, one_more};
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{Check, InvitationForm},
        model::{GigId, GigState, Invitation, InvitationId},
        store::{self, moves},
        views::InvitationView,
    },
    principal::Principal,
};

/// People that one gig may invite: it is a word to a person, not a mailing.
const MOST: i64 = 50;

impl Gigs {
    /// Invites a person to apply; once a gig. `id` makes a repetition harmless.
    ///
    /// # Errors
    /// [`GigsError::NotYours`] for anybody but the gig's client, [`GigsError::NotNow`] unless the gig is
    /// open, [`GigsError::InvitedAlready`], [`GigsError::Invalid`] for oneself and for nobody.
    pub async fn invite(
        &self,
        who: &Principal,
        gig: GigId,
        id: InvitationId,
        form: &InvitationForm,
    ) -> Result<InvitationView, GigsError> {
        let mut check = Check::default();
        let note = check.text("/note", &form.note, 0..=1_000);
        if form.student_id == who.user_id {
            check.refuse("/student_id", "is you");
        }
        check.done()?;
        if !self.exists(form.student_id).await? {
            return Err(GigsError::field("/student_id", "is nobody"));
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let new = &Invitation {
            id,
            gig_id: gig,
            client_id: who.user_id,
            student_id: form.student_id,
            note,
            created_at: now,
        };
        (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, gig).await?;
                let gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
                if gig.owner_id != who.user_id {
                    return Err(GigsError::NotYours("only its client invites people to a gig"));
                }
                if gig.state != GigState::Open {
                    let (machine, state) = ("gig", gig.state.as_str());
                    return Err(GigsError::NotNow { machine, state, allowed: Vec::new() });
                }
                if let Some(there) = store::invitations::find(conn, gig.id, new.student_id).await? {
                    return if there.id == id { Ok(there.into()) } else { Err(GigsError::InvitedAlready) };
                }
                if store::invitations::count(conn, gig.id).await? >= MOST {
                    return Err(GigsError::Contradicts("this gig has invited as many people as it may: 50"));
                }
                store::invitations::insert(conn, new).await?;
                let data = json!({
                    "invitation_id": id, "gig_id": gig.id, "owner_id": gig.owner_id,
                    "student_id": new.student_id, "gig_title": gig.title, "note": new.note,
                });
                moves::note(conn, "invitation.sent", id.0, 1, data).await?;
                Ok(new.clone().into())
            })
            .await
    }

    /// Whom a gig has invited, newest first; for its client.
    ///
    /// # Errors
    /// [`GigsError::No`], [`GigsError::NotYours`], [`GigsError::Invalid`] for a foreign cursor.
    pub async fn invitations_of(
        &self,
        who: &Principal,
        gig: GigId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<InvitationView>, Option<String>), GigsError> {
        let mut conn = self.conn().await?;
        let found = store::gigs::load(&mut conn, gig).await?;
        let found = found.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
        if found.owner_id != who.user_id {
            return Err(GigsError::NotYours("only its client sees whom a gig has invited"));
        }
        let list = format!("invitations.{gig}");
        let before = self.after(&list, cursor)?.map(InvitationId);
        let found = store::invitations::list(&mut conn, Some(gig), None, before, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |one| one.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next))
    }

    /// To what one was invited, newest first.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor.
    pub async fn my_invitations(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<InvitationView>, Option<String>), GigsError> {
        let list = format!("invitations.of.{}", who.user_id);
        let before = self.after(&list, cursor)?.map(InvitationId);
        let mut conn = self.conn().await?;
        let found = store::invitations::list(&mut conn, None, Some(who.user_id), before, one_more(limit));
        let (found, next) = self.page(&list, found.await?, limit, |one| one.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next))
    }
}
