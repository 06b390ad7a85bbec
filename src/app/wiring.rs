//! Which adapter stands behind which port, and who is handed what.

use std::{sync::Arc, time::Duration, time::Instant};

use actix_web::web::{self, ServiceConfig};

use super::{StartError, custody, events, gauges::Gauges, glue, logs, mail, nodes, shared::Shared};
use crate::{
    actors::{Arbiters, Domain, DomainConfig, Registry},
    clock::Clock,
    config::Config,
    contexts::{
        activity::{self, Activity},
        career::{self, Career, CareerMetrics},
        chat::{self, Chat, ChatMetrics, Desk, EventLog, PostgresRooms, RoomLimits},
        discovery::{self, Discovery, DiscoveryMetrics},
        gamification::{self, Boards, GameMetrics, Gamification},
        gigs::{self, Gigs},
        identity::{
            self, Identity,
            actors::{UserSession, session::SessionCloser},
            store::{CachedSessions, PostgresStore},
        },
        learning::{self, LazyFonts, Learning, LearningMetrics, LiveQuizzes},
        ledger::{self, Ledger},
        notifications::{self, Feed, NotificationMetrics, Notifications},
        objects::{self, Uploads},
        privacy::{self, Privacy, PrivacyMetrics},
    },
    events::{Events, Parts},
    http::{
        extract::SessionLookup,
        health::Health,
        idempotency::Idempotency,
        limits::Limits,
        middleware::HttpMetrics,
        ops::{Ops, OpsChannel},
        origins::Origins,
    },
    ports::{
        Store,
        bus::Signals,
        embed::Embedder,
        mail::Mail,
        objects::directory::serve::Served,
        payments::sandbox::Sandbox,
        push::{Hosts, WebPush},
    },
    postgres::Database,
    realtime::{Hub, LocalShard, Personal, Realtime, Settings},
    signing::Signer,
    telemetry::{log, metrics::Metrics},
};

/// Everything a server is made of. Cheap to clone.
#[derive(Clone)]
pub(super) struct Platform {
    pub config: Arc<Config>,
    pub metrics: Metrics,
    pub arbiters: Arbiters,
    pub hub: Hub,
    pub realtime: Realtime,
    pub sessions: Domain<UserSession>,
    pub identity: Identity,
    pub chat: Chat,
    pub activity: Activity,
    pub events: Events,
    /// Words to and from other nodes.
    pub signals: Signals,
    pub database: Database,
    pub ledger: Ledger,
    pub gigs: Gigs,
    pub gigs_live: gigs::Live,
    pub uploads: Uploads,
    pub privacy: Privacy,
    pub learning: Learning,
    pub courses_live: learning::Live,
    pub live_quizzes: LiveQuizzes,
    pub served: Served,
    pub career: Career,
    pub career_live: career::Live,
    pub game: Gamification,
    pub boards: Boards,
    pub sandbox: Option<Sandbox>,
    pub feed: Feed,
    pub notifications: Notifications,
    /// Texts as vectors.
    pub embedder: Embedder,
    pub discovery: Discovery,
    pub idempotency: Idempotency,
    pub health: Arc<Health>,
    pub limits: Arc<Limits>,
    pub ops: Ops,
    pub gauges: Gauges,
    http_metrics: HttpMetrics,
    pub shared: Shared,
}

/// Identity over its stores, for commands.
///
/// # Errors
/// When the database does not answer, or mail or Redis cannot be set up.
pub async fn identity(config: &Config, database: &Database) -> Result<Identity, StartError> {
    let signer = Signer::new(&database.signing_key().await?);
    let way = mail::way(config, database, &Metrics::new())?;
    // A role that a command grants is one that running servers must see.
    let shared = Shared::assemble(config, &Metrics::new()).await?;
    Ok(identity_with(config, database, signer, way.direct, &shared))
}

fn identity_with(
    config: &Config,
    database: &Database,
    signer: Signer,
    mail: Arc<dyn Mail>,
    shared: &Shared,
) -> Identity {
    let rows = PostgresStore::new(database.clone());
    let store: Arc<dyn identity::Store> = match &shared.sessions {
        Some(cache) => Arc::new(CachedSessions::new(rows, cache.clone())),
        None => Arc::new(rows),
    };
    let identity = Identity::new(store, mail, signer, Clock::system(), identity::Settings::from(config));
    identity.cache_profiles(shared.cache.clone());
    identity
}

#[expect(clippy::too_many_arguments, reason = "wiring")]
fn chat_with(
    config: &Config,
    database: &Database,
    log: Arc<dyn EventLog>,
    identity: &Identity,
    signer: Signer,
    outlet: Arc<dyn chat::Outlet>,
    registry: &Registry,
    metrics: &Metrics,
    arbiters: &Arbiters,
    uploads: &Uploads,
) -> Chat {
    let parts = chat::Parts {
        rooms: Arc::new(PostgresRooms::new(database.clone())),
        log,
        outlet,
        people: Arc::new(identity.directory()),
        desk: Desk::new(database.clone()),
        uploads: Arc::new(uploads.clone()),
        signer,
        limits: RoomLimits::from(config),
        metrics: ChatMetrics::new(metrics),
        keeping: chat::Keeping { retention_days: config.chat.retention_days, erasure: config.chat.erasure },
    };
    Chat::start(parts, DomainConfig::from(&config.actors), registry, arbiters)
}

/// Chat without anybody connected, for commands. Needs an actix system.
pub(super) async fn chat_at_rest(
    config: &Config,
    database: &Database,
    identity: &Identity,
) -> Result<Chat, StartError> {
    let signer = Signer::new(&database.signing_key().await?);
    let registry = Registry::new();
    let arbiters = Arbiters::current()?;
    let log = logs::logs(config, database).await?.chat;
    let objects = super::objects::objects(config, database).await?.objects;
    let uploads = uploads_with(config, database, objects, signer.clone());
    Ok(chat_with(
        config,
        database,
        log,
        identity,
        signer,
        Arc::new(Hub::new()),
        &registry,
        &Metrics::new(),
        &arbiters,
        &uploads,
    ))
}

fn uploads_with(
    config: &Config,
    database: &Database,
    objects: Arc<dyn crate::ports::objects::Objects>,
    signer: Signer,
) -> Uploads {
    Uploads::new(objects::Parts {
        database: database.clone(),
        objects,
        signer,
        clock: Clock::system(),
        settings: objects::Settings::from(config),
    })
}

fn learning_with(
    config: &Config,
    database: &Database,
    identity: &Identity,
    uploads: &Uploads,
    ledger: &Ledger,
    signer: Signer,
    metrics: LearningMetrics,
) -> Learning {
    Learning::new(learning::Parts {
        database: database.clone(),
        uploads: uploads.clone(),
        ledger: ledger.clone(),
        people: Arc::new(identity.directory()),
        signer,
        clock: Clock::system(),
        public_url: config.public_url(),
        fonts: LazyFonts::new(config.learning.fonts_dir.clone()),
        metrics,
    })
}

/// Learning without a server, for commands.
pub(super) async fn learning_at_rest(
    config: &Config,
    database: &Database,
    identity: &Identity,
) -> Result<Learning, StartError> {
    let signer = Signer::new(&database.signing_key().await?);
    let chosen = super::objects::objects(config, database).await?;
    let uploads = uploads_with(config, database, chosen.objects, signer.clone());
    let ledger = ledger_with(config, database).await?.0;
    let told = LearningMetrics::unregistered();
    Ok(learning_with(config, database, identity, &uploads, &ledger, signer, told))
}

fn gigs_with(database: &Database, ledger: &Ledger, signer: Signer) -> Gigs {
    let clock = Clock::system();
    Gigs::new(gigs::Parts { database: database.clone(), ledger: ledger.clone(), signer, clock })
}

#[expect(clippy::too_many_arguments, reason = "wiring")]
fn career_with(
    config: &Config,
    database: &Database,
    ledger: &Ledger,
    gigs: &Gigs,
    identity: &Identity,
    signer: Signer,
    metrics: CareerMetrics,
    affinity: Arc<dyn career::Affinity>,
) -> Career {
    Career::new(career::Parts {
        database: database.clone(),
        ledger: ledger.clone(),
        people: Arc::new(identity.directory()),
        taxonomy: Arc::new(gigs.clone()),
        affinity,
        signer,
        clock: Clock::system(),
        public_url: config.public_url(),
        metrics,
    })
}

/// Careers without a server, for commands.
pub(super) async fn career_at_rest(config: &Config, database: &Database) -> Result<Career, StartError> {
    let identity = identity(config, database).await?;
    let ledger = ledger_with(config, database).await?.0;
    let signer = Signer::new(&database.signing_key().await?);
    let gigs = gigs_with(database, &ledger, signer.clone());
    Ok(career_with(
        config,
        database,
        &ledger,
        &gigs,
        &identity,
        signer,
        CareerMetrics::unregistered(),
        Arc::new(career::NoAffinity),
    ))
}

/// The marketplace without a server, for commands. Payments are prepared, and completed once a server
/// runs.
pub(super) async fn gigs_at_rest(config: &Config, database: &Database) -> Result<Gigs, StartError> {
    let ledger = ledger_with(config, database).await?.0;
    Ok(gigs_with(database, &ledger, Signer::new(&database.signing_key().await?)))
}

fn game_with(
    config: &Config,
    database: &Database,
    identity: &Identity,
    signer: Signer,
    metrics: GameMetrics,
) -> Result<Gamification, StartError> {
    Ok(Gamification::new(gamification::Parts {
        database: database.clone(),
        people: identity.directory(),
        signer,
        clock: Clock::system(),
        zone: config.board_zone(),
        rules: gamification::RuleSet::compiled()?,
        metrics,
    }))
}

/// Gamification without a server, for commands.
pub async fn game(config: &Config, database: &Database) -> Result<Gamification, StartError> {
    let identity = identity(config, database).await?;
    let signer = Signer::new(&database.signing_key().await?);
    game_with(config, database, &identity, signer, GameMetrics::unregistered())
}

async fn ledger_with(config: &Config, database: &Database) -> Result<(Ledger, Option<Sandbox>), StartError> {
    let (payments, sandbox) = super::money::payments(config, database).await?;
    let ledger = Ledger::new(ledger::Parts {
        database: database.clone(),
        payments,
        clock: Clock::system(),
        signer: Signer::new(&database.signing_key().await?),
        fee: super::money::fee(config),
        public_url: config.public_url(),
    });
    Ok((ledger, sandbox))
}

impl Platform {
    pub async fn assemble(config: Config, database: Database, demo: bool) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let metrics = Metrics::new();
        let registry = Registry::new();
        registry.register_metrics(&metrics);
        let arbiters = Arbiters::start(config.actor_threads())?;
        let domain = DomainConfig::from(&config.actors);
        let signer = Signer::new(&database.signing_key().await?);

        let nats = events::nats(&config).await?;
        let signals = nats.as_ref().map_or_else(Signals::alone, |bus| bus.signals(&metrics));

        let shared = Shared::assemble(&config, &metrics).await?;
        shared.forget_together(&signals);
        let mail = mail::way(&config, &database, &metrics)?;
        let identity = identity_with(&config, &database, signer.clone(), mail.direct.clone(), &shared);
        let hub = Hub::across(&signals, &metrics);
        let told = NotificationMetrics::new(&metrics);
        let feed = Feed::new(database.clone(), hub.clone(), told.clone());
        super::nodes::join_feeds(&feed, &signals);
        let personal = Personal::with_log(hub.clone(), Arc::new(feed.clone()));
        let notifications = Notifications::new(notifications::Parts {
            database: database.clone(),
            people: Arc::new(identity.directory()),
            mail: mail.queue,
            feed: feed.clone(),
            signer: signer.clone(),
            clock: Clock::system(),
            public_url: config.public_url(),
            metrics: told,
        });
        let outlet = Arc::new(glue::News { hub: hub.clone(), personal: personal.clone() });
        let logs = logs::logs(&config, &database).await?;
        let log = logs.chat.clone();
        let chosen = super::objects::objects(&config, &database).await?;
        let uploads = uploads_with(&config, &database, chosen.objects, signer.clone());
        let chat = chat_with(
            &config,
            &database,
            log,
            &identity,
            signer.clone(),
            outlet,
            &registry,
            &metrics,
            &arbiters,
            &uploads,
        );
        let activity = Activity::new(activity::Parts {
            stream: logs.activity.clone(),
            signer: signer.clone(),
            clock: Clock::system(),
            days: config.activity.days,
            public_url: config.public_url(),
        });

        chat.follow(&hub);
        chat.load_blocks().await?;
        hub.veil_by(Arc::new(chat.blocks().clone()));
        nodes::join_blocks(&chat, &signals);
        notifications.heed(Arc::new(chat.clone()));
        if !config.push.hosts.is_empty() {
            let contact = config.push.contact.clone().unwrap_or_else(|| config.public_url());
            let vapid = notifications.vapid(contact).await?;
            notifications.push_by(Arc::new(WebPush::new(vapid, Hosts::new(&config.push.hosts))?));
        }
        let looking = chat.clone();
        signals.on_gap(move || looking.look_again());

        let (ledger, sandbox) = ledger_with(&config, &database).await?;
        let idempotency = Idempotency::new(database.clone(), Clock::system());
        let embedder = super::embedding::checked_embedder(&config).await?;

        let gigs = gigs_with(&database, &ledger, signer.clone());
        let affinity = super::discovery::LateAffinity::default();
        let career = career_with(
            &config,
            &database,
            &ledger,
            &gigs,
            &identity,
            signer.clone(),
            CareerMetrics::new(&metrics),
            Arc::new(affinity.clone()),
        );
        career.post_by(notifications.mail().clone());
        career.keep_in(uploads.clone());
        career.write_in(LazyFonts::new(config.learning.fonts_dir.clone()));
        career.read_feeds(logs.activity.clone(), Arc::new(chat.clone()));
        let career_live = career::Live::new(hub.clone(), personal.clone());
        gigs.ask(Arc::new(identity.directory()));
        gigs.cache_pages(shared.cache.clone());
        let gigs_live = gigs::Live::new(hub.clone(), personal.clone());
        gigs_live.cache_pages(shared.cache.clone());

        let told = LearningMetrics::new(&metrics);
        let learning = learning_with(&config, &database, &identity, &uploads, &ledger, signer.clone(), told);
        ledger.tell(Arc::new(glue::Sinks(vec![
            Arc::new(gigs.clone()),
            Arc::new(learning.clone()),
            Arc::new(career.clone()),
        ])));
        let courses_live = learning::Live::new(hub.clone());
        let live_quizzes = learning.start_live(courses_live.clone(), domain, &registry, &arbiters);

        let contexts =
            discovery::Contexts { gigs: gigs.clone(), career: career.clone(), learning: learning.clone() };
        let discovery = super::discovery::discovery_with(
            &config,
            &database,
            contexts,
            embedder.clone(),
            Arc::new(chat.blocks().clone()),
            signer.clone(),
            DiscoveryMetrics::new(&metrics),
        )?;
        discovery.cache_by(shared.cache.clone());
        affinity.set(discovery.clone());

        let game = game_with(&config, &database, &identity, signer.clone(), GameMetrics::new(&metrics))?;
        game.install().await?;
        let board_news = gamification::Live::new(hub.clone(), personal.clone());
        let copies = shared.boards.clone();
        let boards = game.start_boards(board_news, copies, domain, &registry, &arbiters);
        // Other nodes' boards look sooner; without a word they look once a second.
        let (words, hearing, gap) = (signals.clone(), game.clone(), game.clone());
        game.on_award(move || words.send(gamification::AWARDED, bytes::Bytes::new()));
        signals.on(gamification::AWARDED, move |_| hearing.nudge());
        signals.on_gap(move || gap.nudge());

        let custodians = custody::custodians(
            &identity,
            &chat,
            &gigs,
            &ledger,
            &learning,
            &career,
            &game,
            &notifications,
            &activity,
            &uploads,
            &discovery,
        );
        let privacy = Privacy::new(privacy::Parts {
            database: database.clone(),
            uploads: uploads.clone(),
            custodians,
            personal: personal.clone(),
            signer,
            clock: Clock::system(),
            metrics: PrivacyMetrics::new(&metrics),
        });

        let mut consumers = events::consumers(
            &gigs_live,
            &chat,
            &notifications,
            &game,
            (&career, &career_live),
            logs.activity,
        );
        consumers.extend(learning::consumers(&learning, &courses_live, &chat, &metrics));
        consumers.extend(identity::consumers(&identity));
        consumers.extend(privacy::consumers(&privacy));
        consumers.extend(discovery::consumers(&discovery));
        let parts = Parts {
            database: database.clone(),
            nats,
            consumers,
            settings: crate::events::Settings::default(),
        };
        let events = Events::start(parts, &metrics, &registry).await?;

        let stores: Vec<Arc<dyn Store>> = vec![
            Arc::new(database.clone()),
            logs.store,
            events.bus(),
            shared.store(),
            mail.shown,
            chosen.store,
        ];
        let health = Arc::new(Health::new(stores, demo));
        let ops = Ops { registry: registry.clone(), health: health.clone(), started: Instant::now() };

        let mut builder = Realtime::builder(
            hub.clone(),
            Settings::new(&config),
            &metrics,
            &registry,
            Arc::new(identity.clone()),
        )
        .namespace(Arc::new(personal.clone()))
        .namespace(Arc::new(OpsChannel(ops.clone())));
        for namespace in chat::namespaces(&chat) {
            builder = builder.namespace(namespace);
        }
        for namespace in gigs::namespaces(&gigs, &gigs_live) {
            builder = builder.namespace(namespace);
        }
        for namespace in learning::namespaces(&learning, &courses_live) {
            builder = builder.namespace(namespace);
        }
        for namespace in career::namespaces(&career, &career_live) {
            builder = builder.namespace(namespace);
        }
        for namespace in gamification::namespaces(&boards) {
            builder = builder.namespace(namespace);
        }
        for rpc in gamification::rpcs(&boards) {
            builder = builder.rpc(rpc);
        }
        for rpc in chat::rpcs(&chat) {
            builder = builder.rpc(rpc);
        }
        for rpc in notifications::rpcs(&notifications) {
            builder = builder.rpc(rpc);
        }
        let realtime = builder.limits(shared.limits.clone()).build();
        let sessions = identity::actors::start(
            &realtime,
            Arc::new(glue::Sessions(identity.clone())),
            domain,
            &registry,
            &arbiters,
        );
        let closer = SessionCloser { sessions: sessions.clone(), realtime: realtime.clone() };
        identity.notify_of_ended_sessions(Arc::new(nodes::Everywhere::new(closer, &signals)));

        let limits =
            Arc::new(Limits::new(&config, shared.limits.clone(), shared.own_limits.clone(), &metrics));
        let http_metrics = HttpMetrics::new(&metrics);
        let gauges = Gauges::new(&metrics, health.clone(), database.clone(), ledger.clone());
        Ok(Self {
            config,
            metrics,
            arbiters,
            hub,
            realtime,
            sessions,
            identity,
            chat,
            activity,
            events,
            signals,
            database,
            ledger,
            gigs,
            gigs_live,
            uploads,
            privacy,
            learning,
            live_quizzes,
            courses_live,
            served: chosen.served,
            career,
            career_live,
            game,
            boards,
            sandbox,
            feed,
            notifications,
            embedder,
            discovery,
            idempotency,
            health,
            limits,
            ops,
            gauges,
            http_metrics,
            shared,
        })
    }

    /// What handlers find.
    pub fn share(&self, app: &mut ServiceConfig) {
        let lookup: Arc<dyn SessionLookup> = Arc::new(self.identity.clone());
        app.app_data(web::Data::from(self.config.clone()))
            .app_data(web::Data::new(Origins::new(&self.config)))
            .app_data(web::Data::from(self.limits.clone()))
            .app_data(web::Data::new(self.http_metrics.clone()))
            .app_data(web::Data::new(self.metrics.clone()))
            .app_data(web::Data::from(self.health.clone()))
            .app_data(web::Data::new(self.ops.clone()))
            .app_data(web::Data::new(lookup))
            .app_data(web::Data::new(self.identity.clone()))
            .app_data(web::Data::new(self.chat.clone()))
            .app_data(web::Data::new(self.activity.clone()))
            .app_data(web::Data::new(self.events.clone()))
            .app_data(web::Data::new(self.database.clone()))
            .app_data(web::Data::new(self.ledger.clone()))
            .app_data(web::Data::new(self.gigs.clone()))
            .app_data(web::Data::new(self.uploads.clone()))
            .app_data(web::Data::new(self.privacy.clone()))
            .app_data(web::Data::new(self.learning.clone()))
            .app_data(web::Data::new(self.live_quizzes.clone()))
            .app_data(web::Data::new(self.served.clone()))
            .app_data(web::Data::new(self.career.clone()))
            .app_data(web::Data::new(self.game.clone()))
            .app_data(web::Data::new(self.boards.clone()))
            .app_data(web::Data::new(self.idempotency.clone()))
            .app_data(web::Data::new(self.notifications.clone()))
            .app_data(web::Data::new(self.embedder.clone()))
            .app_data(web::Data::new(self.discovery.clone()))
            .app_data(web::Data::new(self.realtime.clone()));
    }

    /// Starts the shard of the worker that this is called on.
    pub fn start_shard(&self, app: &mut ServiceConfig) {
        app.app_data(web::Data::new(LocalShard::start(&self.realtime)));
    }

    /// Lets every connection go, paced.
    pub async fn drain_sockets(&self, window: Duration) {
        self.realtime.drain(window).await;
    }

    /// Sessions before rooms: what a session still sends, a room still takes.
    pub async fn stop_actors(&self, deadline: Duration) {
        self.sessions.stop(deadline).await;
        self.chat.domain().stop(deadline).await;
        self.live_quizzes.domain().stop(deadline).await;
        self.boards.domain().stop(deadline).await;
        if !self.arbiters.stop(deadline).await {
            slog::warn!(log(), "an actor thread did not end in time");
        }
    }
}
