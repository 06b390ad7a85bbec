//! Bookings as calendar entries: in mails, as files, in a calendar to subscribe to.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::steps::when;
use crate::{
    contexts::career::{
        Career, CareerError,
        model::{
            Booking, BookingId, BookingState as B,
            ics::{self, Entry, Method, Party, Status},
        },
        store,
    },
    ports::mail::{Letter, Sender},
    principal::{Principal, UserId},
};

/// What an event says of a booking at that moment; the row may have moved on since.
#[derive(Clone, Copy, Debug)]
pub(in crate::contexts::career) struct Said {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub sequence: i32,
    pub status: Status,
    pub at: DateTime<Utc>,
}

impl Career {
    /// A booking as an iCalendar file, for one of its sides.
    ///
    /// # Errors
    /// [`CareerError::No`]; also before it was ever confirmed.
    pub async fn booking_calendar(&self, who: &Principal, id: BookingId) -> Result<String, CareerError> {
        let found = store::bookings::load(&mut *self.conn().await?, id).await?;
        let own = |booking: &Booking| booking.side(who.user_id).is_some() && booking.published;
        let booking = found.filter(own).ok_or(CareerError::No("calendar entry"))?;
        let names = self.pair(booking.mentor_id, booking.seeker_id).await?;
        let entry = self.entry(&booking, said(&booking), who.user_id, &names);
        Ok(ics::calendar(Method::Publish, None, &[entry]))
    }

    /// The entry of a booking in the calendar of one of its sides.
    pub(super) fn entry(
        &self,
        booking: &Booking,
        said: Said,
        reader: UserId,
        (mentor, seeker): &(String, String),
    ) -> Entry {
        let home = &self.parts().public_url;
        let domain = Sender::of(home).domain().to_owned();
        let summary = match reader == booking.mentor_id {
            true => format!("Mentoring {seeker}"),
            false => format!("Mentoring with {mentor}"),
        };
        let topic = if booking.topic.is_empty() { String::new() } else { format!("{}\n\n", booking.topic) };
        Entry {
            uid: format!("{}@{domain}", booking.id),
            sequence: said.sequence,
            stamp: said.at,
            from: said.from,
            to: said.to,
            summary,
            description: format!("{topic}{home}/mentors#booking/{}", booking.id),
            url: booking.meeting_url.clone(),
            status: said.status,
            organizer: Party { name: "Gigsy".into(), address: format!("no-reply@{domain}") },
            attendee: None,
        }
    }

    /// Mails both sides what became of a booking. An address that was not proven gets none.
    pub(in crate::contexts::career) async fn invite(
        &self,
        conn: &mut AsyncPgConnection,
        id: BookingId,
        said: Said,
    ) -> Result<(), CareerError> {
        let Some(mail) = self.inner.mail.get() else { return Ok(()) };
        let Some(booking) = store::bookings::load(conn, id).await? else { return Ok(()) };
        let names = self.pair(booking.mentor_id, booking.seeker_id).await?;
        for reader in [booking.seeker_id, booking.mentor_id] {
            let Some(contact) = self.parts().people.contact(reader).await? else { continue };
            let Some(address) = contact.address else { continue };
            let zone = match reader == booking.seeker_id {
                true => Some(booking.zone.clone()),
                false => store::mentors::load(conn, reader).await?.map(|mentor| mentor.zone),
            };
            let zone = zone.and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::Tz::UTC);
            let mut entry = self.entry(&booking, said, reader, &names);
            entry.attendee = Some(Party { name: contact.name, address: address.clone() });
            let (method, what) = match said.status {
                Status::Cancelled => (Method::Cancel, "Cancelled"),
                Status::Tentative => (Method::Request, "To be agreed"),
                Status::Confirmed if said.sequence > 0 => (Method::Request, "Changed"),
                Status::Confirmed => (Method::Request, "Agreed"),
            };
            let time = when(said.from, zone);
            let link = format!("{}/mentors#booking/{id}", self.parts().public_url);
            // A sent mail's subject is kept for a while: nobody's name is in it.
            let subject = format!("{what}: mentoring session, {time}");
            let headline = format!("{what}: {}, {time}", entry.summary);
            let text = format!("{headline}\n\nThe attached invitation updates your calendar.\n{link}\n");
            let html = format!(
                "<p><strong>{}</strong></p><p>The attached invitation updates your calendar.</p>\
                 <p><a href=\"{}\">Open the booking</a></p>\n",
                escape(&headline),
                escape(&link)
            );
            let calendar = Some(ics::calendar(method, None, &[entry]));
            let letter =
                Letter { id: Uuid::now_v7(), to: address, subject, text, html, unsubscribe: None, calendar };
            mail.write(conn, Some(reader), &letter).await?;
            let label = if method == Method::Cancel { "cancel" } else { "request" };
            self.parts().metrics.invitations.with_label_values(&[label]).inc();
        }
        Ok(())
    }

    /// Says that mails wait.
    pub(in crate::contexts::career) fn wake_mail(&self) {
        if let Some(mail) = self.inner.mail.get() {
            mail.wake();
        }
    }
}

/// How a booking stands now.
pub(super) fn said(booking: &Booking) -> Said {
    let status = match booking.state {
        B::Confirmed | B::Completed | B::Contested | B::NoShow | B::Missed => Status::Confirmed,
        B::Held | B::Funding | B::Requested | B::Proposed => Status::Tentative,
        B::Declined | B::Expired | B::Cancelled => Status::Cancelled,
    };
    Said {
        from: booking.starts_at,
        to: booking.ends_at,
        sequence: booking.sequence,
        status,
        at: booking.updated_at,
    }
}

/// Text as HTML.
pub(in crate::contexts::career) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
