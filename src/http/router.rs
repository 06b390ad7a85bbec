//! Every path of the server, and the handler it goes to. Find a URL here; its handler names the
//! context that answers.

use actix_web::{
    HttpResponse,
    guard::{self, Guard},
    http::Method,
    web::{self, ServiceConfig, resource},
};

use super::{Problem, health, openapi, ops, pages};
use crate::{
    contexts::{
        activity::handlers as activity, career::handlers as career, chat::handlers as chat,
        discovery::handlers as discovery, gamification::handlers as game, gigs::handlers as gigs,
        identity::handlers as identity, learning::handlers as learning, ledger::handlers as ledger,
        notifications::handlers as notifications, objects::handlers as uploads, privacy::handlers as privacy,
    },
    error::ErrorKind,
    ports::objects::directory::serve as objects,
    realtime,
};

/// Declares the paths once, for actix and for the tests that hold the API document against them.
macro_rules! routes {
    ($( $path:literal => { $( $method:ident $handler:path ),+ $(,)? } )+) => {
        /// Every method and path that the server answers.
        pub const ROUTES: &[(&str, &str)] = &[ $( $( (stringify!($method), $path) ),+ ),+ ];

        /// Mounts them.
        pub fn configure(app: &mut ServiceConfig) {
            $(
                app.service(
                    resource($path)
                        $( .route(web::route().guard(takes(Method::$method)).to($handler)) )+
                        .default_service(web::to(|| async {
                            Err::<HttpResponse, _>(Problem::method_not_allowed(&[$( stringify!($method) ),+]))
                        })),
                );
            )+
            app.default_service(web::to(|| async {
                Err::<HttpResponse, _>(Problem::new(ErrorKind::NotFound, "there is nothing at this path"))
            }));
        }
    };
}

/// A GET handler answers HEAD too; the body is left out below us.
fn takes(method: Method) -> impl Guard {
    guard::fn_guard(move |request| {
        let asked = &request.head().method;
        *asked == method || (method == Method::GET && *asked == Method::HEAD)
    })
}

routes! {
    "/" => { GET pages::index }
    "/ops" => { GET pages::ops }
    "/docs" => { GET pages::docs }
    "/mentors" => { GET pages::mentors }
    "/privacy" => { GET pages::privacy }
    "/search" => { GET pages::search }
    "/verify-email" => { GET pages::verify_email }
    "/push-worker.js" => { GET pages::push_worker }
    "/badges/{id}" => { GET pages::badge }
    "/reset-password" => { GET pages::reset_password }
    "/unsubscribe" => { GET notifications::unsubscribe::ask, POST notifications::unsubscribe::end }
    "/assets/{file:.*}" => { GET pages::asset }
    "/p/{slug}" => { GET career::page::portfolio }
    "/calendar/{secret}" => { GET career::calendar::subscribed }

    "/healthz" => { GET health::healthz }
    "/readyz" => { GET health::readyz }
    "/metrics" => { GET health::metrics }
    "/api/openapi.json" => { GET openapi::json }
    "/connection/websocket" => { GET realtime::websocket }

    "/verify/{id}" => { GET learning::certificates::verify }
    "/.well-known/did.json" => { GET learning::certificates::did }
    "/credentials/status/{list}" => { GET learning::certificates::status }
    "/objects/{token}" => { GET objects::get, PUT objects::put }

    "/api/v1/demo" => { GET health::demo }

    "/api/v1/auth/register" => { POST identity::account::register }
    "/api/v1/auth/email/verify" => { POST identity::account::verify_email }
    "/api/v1/auth/email/resend" => { POST identity::account::resend_verification }
    "/api/v1/auth/sessions" => { GET identity::sessions::list, POST identity::sessions::sign_in }
    "/api/v1/auth/sessions/current" => { DELETE identity::sessions::sign_out }
    "/api/v1/auth/sessions/others" => { DELETE identity::sessions::end_others }
    "/api/v1/auth/sessions/{id}" => { DELETE identity::sessions::end }
    "/api/v1/auth/password" => { POST identity::password::change }
    "/api/v1/auth/password/reset" => { POST identity::password::request_reset }
    "/api/v1/auth/password/reset/confirm" => { POST identity::password::reset }
    "/api/v1/me" => { GET identity::me::get, PATCH identity::me::patch }
    "/api/v1/me/deletion" => { POST identity::me::request_deletion, DELETE identity::me::cancel_deletion }
    "/api/v1/me/activity" => { GET activity::mine }
    "/api/v1/me/activity/xapi" => { GET activity::statements }
    "/api/v1/me/balance" => { GET ledger::me::balance }
    "/api/v1/me/payout-account" => { POST ledger::me::open_account }
    "/api/v1/me/payouts" => { GET ledger::me::payouts, POST ledger::me::pay_out }
    "/api/v1/me/payouts/{id}" => { GET ledger::me::payout }
    "/api/v1/webhooks/payments" => { POST ledger::webhooks::take }
    "/api/v1/people" => { GET identity::people::find }
    "/api/v1/people/{id}" => { GET identity::people::get }
    "/api/v1/realtime/token" => { POST identity::realtime::token }

    "/api/v1/search" => { GET discovery::search::search }
    "/api/v1/search/gigs" => { GET discovery::search::gigs }
    "/api/v1/search/courses" => { GET discovery::search::courses }
    "/api/v1/search/people" => { GET discovery::search::people }
    "/api/v1/search/mentors" => { GET discovery::search::mentors }
    "/api/v1/suggest" => { GET discovery::search::suggest }
    "/api/v1/recommendations/gigs" => { GET discovery::recommendations::gigs }
    "/api/v1/recommendations/students" => { GET discovery::recommendations::students }
    "/api/v1/recommendations/courses" => { GET discovery::recommendations::courses }
    "/api/v1/recommendations/mentors" => { GET discovery::recommendations::mentors }
    "/api/v1/recommendations/feedback" => { POST discovery::recommendations::feedback }

    "/api/v1/chat/rooms" => { GET chat::rooms::list, POST chat::rooms::create }
    "/api/v1/chat/rooms/{id}" => { GET chat::rooms::get, PATCH chat::rooms::patch }
    "/api/v1/chat/rooms/{id}/archive" => { POST chat::rooms::archive }
    "/api/v1/chat/rooms/{id}/unarchive" => { POST chat::rooms::unarchive }
    "/api/v1/chat/rooms/{id}/join" => { POST chat::members::join }
    "/api/v1/chat/rooms/{id}/members" => { GET chat::members::list, POST chat::members::add }
    "/api/v1/chat/rooms/{id}/members/{user_id}" => { PATCH chat::members::set_role, DELETE chat::members::remove }
    "/api/v1/chat/rooms/{id}/messages" => { GET chat::messages::list, POST chat::messages::send }
    "/api/v1/chat/rooms/{id}/presence" => { GET chat::rooms::presence }
    "/api/v1/chat/rooms/{id}/typing" => { POST chat::rooms::typing }
    "/api/v1/chat/rooms/{id}/read" => { POST chat::rooms::read }
    "/api/v1/chat/rooms/{id}/me" => { GET chat::own::get, PATCH chat::own::patch }
    "/api/v1/chat/rooms/{id}/search" => { GET chat::messages::search }
    "/api/v1/chat/rooms/{id}/pins" => { GET chat::messages::pins }
    "/api/v1/chat/rooms/{id}/receipts" => { GET chat::messages::receipts }
    "/api/v1/chat/rooms/{id}/messages/{message_id}" => {
        GET chat::changes::get, PATCH chat::changes::edit, DELETE chat::changes::delete
    }
    "/api/v1/chat/rooms/{id}/messages/{message_id}/reactions/{emoji}" => {
        PUT chat::changes::react, DELETE chat::changes::unreact
    }
    "/api/v1/chat/rooms/{id}/messages/{message_id}/pin" => { PUT chat::changes::pin, DELETE chat::changes::unpin }
    "/api/v1/chat/rooms/{id}/messages/{message_id}/attachments/{object_id}" => { GET chat::messages::attachment }
    "/api/v1/chat/rooms/{id}/messages/{message_id}/thread" => { GET chat::changes::thread }
    "/api/v1/chat/rooms/{id}/messages/{message_id}/reports" => { POST chat::moderation::report }
    "/api/v1/chat/rooms/{id}/reports" => { GET chat::moderation::room_reports }
    "/api/v1/chat/rooms/{id}/suspensions" => { POST chat::moderation::suspend }
    "/api/v1/chat/rooms/{id}/suspensions/{user_id}" => { DELETE chat::moderation::restore }
    "/api/v1/chat/rooms/{id}/bans" => { GET chat::moderation::bans, POST chat::moderation::ban }
    "/api/v1/chat/rooms/{id}/bans/{user_id}" => { DELETE chat::moderation::unban }
    "/api/v1/chat/rooms/{id}/audit" => { GET chat::moderation::room_audit }
    "/api/v1/chat/reports" => { GET chat::moderation::reports }
    "/api/v1/chat/reports/{report_id}/resolve" => { POST chat::moderation::resolve }
    "/api/v1/chat/audit" => { GET chat::moderation::audit }
    "/api/v1/chat/privacy" => { GET chat::own::privacy, PUT chat::own::set_privacy }
    "/api/v1/chat/blocks" => { GET chat::own::blocks }
    "/api/v1/chat/blocks/{user_id}" => { PUT chat::own::block, DELETE chat::own::unblock }
    "/api/v1/chat/export" => { GET chat::export::export }
    "/api/v1/chat/status" => { PUT chat::own::status }

    "/api/v1/skills" => { GET gigs::gigs::skills }
    "/api/v1/gigs" => { GET gigs::gigs::list, POST gigs::gigs::create }
    "/api/v1/gigs/{id}" => { GET gigs::gigs::get, PATCH gigs::gigs::patch }
    "/api/v1/gigs/{id}/applications" => { GET gigs::applications::of_gig, POST gigs::applications::apply }
    "/api/v1/gigs/{id}/invitations" => { GET gigs::invitations::of_gig, POST gigs::invitations::invite }
    "/api/v1/gigs/{id}/{transition}" => { POST gigs::gigs::transition }
    "/api/v1/invitations" => { GET gigs::invitations::mine }
    "/api/v1/saved-searches" => { GET gigs::searches::list, POST gigs::searches::save }
    "/api/v1/saved-searches/{id}" => { GET gigs::searches::get, DELETE gigs::searches::forget }
    "/api/v1/applications" => { GET gigs::applications::mine }
    "/api/v1/applications/{id}" => { GET gigs::applications::get }
    "/api/v1/applications/{id}/{transition}" => { POST gigs::applications::transition }
    "/api/v1/contracts" => { GET gigs::contracts::list }
    "/api/v1/contracts/{id}" => { GET gigs::contracts::get }
    "/api/v1/contracts/{id}/ledger" => { GET gigs::contracts::ledger }
    "/api/v1/contracts/{id}/reviews" => { GET gigs::reviews::of_contract, POST gigs::reviews::write }
    "/api/v1/contracts/{id}/{transition}" => { POST gigs::contracts::transition }
    "/api/v1/milestones/{id}" => { GET gigs::milestones::get }
    "/api/v1/milestones/{id}/{transition}" => { POST gigs::milestones::transition }
    "/api/v1/disputes" => { GET gigs::disputes::list }
    "/api/v1/disputes/{id}/resolve" => { POST gigs::disputes::resolve }
    "/api/v1/people/{id}/activity" => { GET activity::of_person }
    "/api/v1/people/{id}/reviews" => { GET gigs::reviews::about }

    "/api/v1/me/exports" => { GET privacy::list, POST privacy::request }
    "/api/v1/me/exports/{id}" => { GET privacy::get, DELETE privacy::remove }
    "/api/v1/me/exports/{id}/download" => { GET privacy::download }
    "/api/v1/me/erasure" => { GET privacy::erasure }
    "/api/v1/ops/erasures" => { GET privacy::open_erasures }
    "/api/v1/me/profile" => { GET career::portfolio::get, PUT career::portfolio::put }
    "/api/v1/me/profile/resume" => { GET career::portfolio::resume, PUT career::portfolio::import }
    "/api/v1/me/projects" => { POST career::portfolio::add_project, PUT career::portfolio::order }
    "/api/v1/me/projects/{id}" => { PUT career::portfolio::change_project, DELETE career::portfolio::drop_project }
    "/api/v1/me/projects/{id}/artifacts" => { POST career::artifacts::add, PUT career::artifacts::order }
    "/api/v1/me/projects/{id}/artifacts/{artifact}" => { DELETE career::artifacts::remove }
    "/api/v1/portfolios/{slug}/resume" => { GET career::page::resume }
    "/api/v1/artifacts/{id}" => { GET career::artifacts::get }
    "/api/v1/artifacts/{id}/thumbnail" => { GET career::artifacts::thumbnail }
    "/api/v1/me/evidence/{id}" => { PUT career::portfolio::show }
    "/api/v1/me/feed" => { GET career::portfolio::feed }
    "/api/v1/me/follows" => { GET career::portfolio::follows }
    "/api/v1/me/follows/people/{id}" => {
        PUT career::portfolio::follow_person, DELETE career::portfolio::unfollow_person
    }
    "/api/v1/me/follows/skills/{skill}" => {
        PUT career::portfolio::follow_skill, DELETE career::portfolio::unfollow_skill
    }
    "/api/v1/people/{id}/portfolio" => { GET career::portfolio::of_person }
    "/api/v1/people/{id}/skills/{skill}/endorsement" => {
        PUT career::portfolio::endorse, DELETE career::portfolio::unendorse
    }
    "/api/v1/mentors" => { GET career::mentors::list, POST career::mentors::apply }
    "/api/v1/mentors/matches" => { GET career::mentors::matches }
    "/api/v1/mentors/{id}" => { GET career::mentors::get }
    "/api/v1/mentors/{id}/slots" => { GET career::mentors::slots }
    "/api/v1/mentors/{id}/reviews" => { GET career::mentors::reviews }
    "/api/v1/mentors/{id}/waitlist" => { POST career::waitlist::wait }
    "/api/v1/mentors/{id}/{transition}" => { POST career::mentors::transition }
    "/api/v1/me/mentor" => { GET career::mentors::own, PUT career::mentors::change }
    "/api/v1/me/mentor/availability" => { PUT career::mentors::availability }
    "/api/v1/me/waitlist" => { GET career::waitlist::mine }
    "/api/v1/me/waitlist/{id}" => { DELETE career::waitlist::leave }
    "/api/v1/me/calendar" => {
        GET career::calendar::get, POST career::calendar::make, DELETE career::calendar::revoke
    }
    "/api/v1/bookings" => { GET career::bookings::list, POST career::bookings::book }
    "/api/v1/bookings/{id}" => { GET career::bookings::get }
    "/api/v1/bookings/{id}/calendar" => { GET career::bookings::calendar }
    "/api/v1/bookings/{id}/notes" => { GET career::bookings::notes, POST career::bookings::write_note }
    "/api/v1/bookings/{id}/review" => { POST career::bookings::review }
    "/api/v1/bookings/{id}/{transition}" => { POST career::bookings::transition }
    "/api/v1/mentorships" => { GET career::mentorships::list }
    "/api/v1/mentorships/{id}" => { GET career::mentorships::get }
    "/api/v1/mentorships/{id}/items" => { GET career::mentorships::items, POST career::mentorships::add_item }
    "/api/v1/mentorships/{id}/items/{item_id}" => {
        PATCH career::mentorships::change_item, DELETE career::mentorships::drop_item
    }

    "/api/v1/leaderboards" => { GET game::boards::list }
    "/api/v1/leaderboards/{board}" => { GET game::boards::top }
    "/api/v1/leaderboards/{board}/around-me" => { GET game::boards::around_me }
    "/api/v1/leaderboards/{board}/among" => { GET game::boards::among }
    "/api/v1/me/game" => { GET game::me::game, PATCH game::me::change }
    "/api/v1/me/xp" => { GET game::me::xp }
    "/api/v1/me/streak" => { GET game::me::streak }
    "/api/v1/me/league" => { GET game::me::league }
    "/api/v1/xp/rules" => { GET game::me::rules }
    "/api/v1/badges" => { GET game::badges::catalogue }
    "/api/v1/badges/{id}" => { GET game::badges::award }
    "/api/v1/people/{id}/badges" => { GET game::badges::of_person }

    "/api/v1/courses" => { GET learning::courses::list, POST learning::courses::create }
    "/api/v1/courses/{id}" => { GET learning::courses::get, PATCH learning::courses::patch }
    "/api/v1/courses/{id}/draft" => { GET learning::courses::draft, PUT learning::courses::write_draft }
    "/api/v1/courses/{id}/enrolments" => { GET learning::enrolments::of_course, POST learning::enrolments::enrol }
    "/api/v1/courses/{id}/cohorts" => { GET learning::cohorts::list, POST learning::cohorts::open }
    "/api/v1/cohorts/{id}" => { PUT learning::cohorts::change }
    "/api/v1/courses/{id}/announcements" => { GET learning::courses::announcements, POST learning::courses::announce }
    "/api/v1/courses/{id}/queue" => { GET learning::grades::queue }
    "/api/v1/courses/{id}/gradebook" => { GET learning::grades::gradebook }
    "/api/v1/courses/{id}/regrade" => { POST learning::grades::regrade }
    "/api/v1/courses/{id}/live" => { GET learning::live::running, POST learning::live::create }
    "/api/v1/live/{id}" => { GET learning::live::get }
    "/api/v1/live/{id}/answers" => { POST learning::live::answer }
    "/api/v1/live/{id}/{transition}" => { POST learning::live::transition }
    "/api/v1/courses/{id}/{transition}" => { POST learning::courses::transition }
    "/api/v1/enrolments" => { GET learning::enrolments::mine }
    "/api/v1/enrolments/{id}" => { GET learning::enrolments::get }
    "/api/v1/enrolments/{id}/access" => { PUT learning::enrolments::access }
    "/api/v1/enrolments/{id}/items/{item_id}" => { GET learning::enrolments::item }
    "/api/v1/enrolments/{id}/items/{item_id}/progress" => { POST learning::enrolments::progress }
    "/api/v1/enrolments/{id}/items/{item_id}/attempts" => { POST learning::attempts::begin }
    "/api/v1/enrolments/{id}/items/{item_id}/submissions" => { POST learning::attempts::hand_in }
    "/api/v1/enrolments/{id}/{transition}" => { POST learning::enrolments::transition }
    "/api/v1/attempts/{id}" => { GET learning::attempts::get }
    "/api/v1/attempts/{id}/answers" => { PUT learning::attempts::save }
    "/api/v1/attempts/{id}/submit" => { POST learning::attempts::submit }
    "/api/v1/attempts/{id}/grade" => { POST learning::grades::grade_attempt }
    "/api/v1/submissions/{id}" => { GET learning::attempts::submission }
    "/api/v1/submissions/{id}/grade" => { POST learning::grades::grade_submission }
    "/api/v1/submissions/{id}/files/{file_id}" => { GET learning::attempts::file }
    "/api/v1/banks" => { GET learning::banks::list, POST learning::banks::create }
    "/api/v1/banks/{id}" => { GET learning::banks::get }
    "/api/v1/banks/{id}/questions" => { POST learning::banks::add }
    "/api/v1/banks/{id}/import" => { POST learning::banks::import }
    "/api/v1/banks/{id}/export" => { GET learning::banks::export }
    "/api/v1/banks/{id}/qti" => { GET learning::banks::qti }
    "/api/v1/banks/{id}/statistics" => { GET learning::banks::statistics }
    "/api/v1/questions/{id}" => { PUT learning::banks::revise }
    "/api/v1/certificates" => { GET learning::certificates::mine }
    "/api/v1/certificates/{id}" => { GET learning::certificates::get }
    "/api/v1/certificates/{id}/pdf" => { GET learning::certificates::pdf }
    "/api/v1/certificates/{id}/{transition}" => { POST learning::certificates::transition }
    "/api/v1/uploads" => { GET uploads::list, POST uploads::begin }
    "/api/v1/uploads/{id}" => { GET uploads::get, DELETE uploads::remove }
    "/api/v1/uploads/{id}/parts" => { POST uploads::parts }
    "/api/v1/uploads/{id}/complete" => { POST uploads::complete }
    "/api/v1/uploads/{id}/download" => { GET uploads::download }

    "/api/v1/ops/certificates/rotate-key" => { POST learning::certificates::rotate_key }

    "/api/v1/notifications" => { GET notifications::own::list }
    "/api/v1/notifications/unread" => { GET notifications::own::unread }
    "/api/v1/notifications/read" => { POST notifications::own::read }
    "/api/v1/notifications/kinds" => { GET notifications::preferences::kinds }
    "/api/v1/notifications/preferences" => {
        GET notifications::preferences::get,
        PUT notifications::preferences::replace,
        PATCH notifications::preferences::change,
    }

    "/api/v1/notifications/push" => { GET notifications::push::key }
    "/api/v1/notifications/push/subscriptions" => {
        GET notifications::push::list,
        POST notifications::push::subscribe,
    }
    "/api/v1/notifications/push/subscriptions/{id}" => { DELETE notifications::push::unsubscribe }
    "/api/v1/ops/mail" => { GET notifications::ops::mail }
    "/api/v1/ops/actors" => { GET ops::actors }
    "/api/v1/ops/actors/{kind}/{id}/restart" => { POST ops::restart }
    "/api/v1/ops/trace/{correlation_id}" => { GET ops::trace }
    "/api/v1/ops/ledger/reconciliation" => { GET ledger::ops::reconciliation }
    "/api/v1/ops/system" => { GET ops::system }
}
