//! Several nodes with one database and one NATS server: real processes, real clients.

mod live;
mod shared;
mod storm;
mod told;

use serde_json::Value;

use crate::tests::support::{
    api::Api,
    database::TestDatabase,
    nats::{NatsServer, installed},
    server::{Person, Server},
};

/// Two nodes.
struct World {
    // Dropped first: they use the others.
    nodes: [Server; 2],
    nats: NatsServer,
    database: TestDatabase,
}

impl World {
    /// `None` where there is no NATS server to run.
    async fn start() -> Option<Self> {
        let nats = NatsServer::start(&installed()?).await;
        let database = TestDatabase::new();
        let (url, bus) = (database.url().to_string(), nats.url().to_string());
        let env = [
            ("DATABASE_URL", url.as_str()),
            ("NATS_URL", bus.as_str()),
            ("GIGSY_RECOVERY_LIMIT", "5000"),
            ("GIGSY_LIMIT_CALLS", "1000000"),
        ];
        let nodes = [Server::start(&env).await, Server::start(&env).await];
        Some(Self { nodes, nats, database })
    }

    /// The person's calls to the second node.
    fn there(&self, person: &Person) -> Api {
        Api::new(self.nodes[1].base(), Some(&person.token))
    }

    /// What `/readyz` of a node says of the bus.
    async fn bus(&self, node: usize) -> Value {
        let ready = self.nodes[node].api().get("/readyz").await.expect(200);
        let stores = ready["stores"].as_array().expect("stores").clone();
        stores.into_iter().find(|store| store["name"] == "bus").expect("the bus is a store")
    }
}

const NO_SERVER: &str = "no nats-server 2.10 or later";
