//! The servers, and the URLs of stores that reach them by way of a proxy.

use std::net::{SocketAddr, ToSocketAddrs as _};

use kv_core::testing::service;
use kv_core::{AnyStore, Result, Version};

/// A backend whose server may be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    name: &'static str,
    variable: &'static str,
    /// The URL of a store at `ADDRESS`, up to its parameters.
    url: &'static str,
    /// What keeps the driver from sending again by itself.
    once: &'static str,
}

impl Backend {
    #[cfg(feature = "redis")]
    pub(crate) const REDIS: Self =
        Self { name: "redis", variable: "LARDER_TEST_REDIS", url: "redis://ADDRESS/0?", once: "" };
    #[cfg(feature = "memcached")]
    pub(crate) const MEMCACHED: Self =
        Self { name: "memcached", variable: "LARDER_TEST_MEMCACHED", url: "memcached://ADDRESS?", once: "" };
    #[cfg(feature = "mongo")]
    pub(crate) const MONGODB: Self = Self {
        name: "mongodb",
        variable: "LARDER_TEST_MONGODB",
        url: "mongodb://ADDRESS/larder-faults?directConnection=true&",
        once: "&retryWrites=false",
    };
    #[cfg(feature = "dynamo")]
    pub(crate) const DYNAMODB: Self = Self {
        name: "dynamodb",
        variable: "LARDER_TEST_DYNAMODB",
        url: "dynamodb://id:secret@larder-faults?region=eu-central-1&create=true&endpoint=http://ADDRESS&",
        once: "",
    };

    /// The server, if its variable is set.
    pub(crate) fn server(self) -> Option<Server> {
        let given = service(self.variable)?;
        let (_, rest) = given.split_once("://").expect("a URL");
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let address = host.to_socket_addrs().expect("a host and a port").next().expect("an address");
        Some(Server { backend: self, address, namespace: random("faults") })
    }
}

/// A server, and a namespace in it for one test.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    backend: Backend,
    address: SocketAddr,
    namespace: String,
}

impl Server {
    pub(crate) fn name(&self) -> &'static str {
        self.backend.name
    }

    /// Where it is itself, without a proxy.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Parameters of a store that sends everything once: neither the driver nor Larder tries again.
    pub(crate) fn once(&self) -> String {
        format!("&retry=0{}", self.driven_once())
    }

    /// Parameters of a store whose driver sends everything once.
    pub(crate) fn driven_once(&self) -> &'static str {
        self.backend.once
    }

    /// A store that finds the server at `address`; `more` are further parameters, such as `&retry=0`.
    pub(crate) async fn open(&self, address: SocketAddr, more: &str) -> Result<AnyStore> {
        self.open_with(address, &format!("timeout=2s{more}")).await
    }

    /// The same with these parameters alone.
    pub(crate) async fn open_with(&self, address: SocketAddr, parameters: &str) -> Result<AnyStore> {
        let base = self.backend.url.replace("ADDRESS", &address.to_string());
        larder::open(&format!("{base}namespace={}&{parameters}", self.namespace)).await
    }

    /// A store that tells what is really there.
    pub(crate) async fn truth(&self) -> AnyStore {
        self.open(self.address, "").await.expect("the server answers")
    }
}

/// A name of letters and digits that no other test has.
pub(crate) fn random(start: &str) -> String {
    let digits = Version::random().as_bytes().map(|byte| format!("{byte:02x}"));
    format!("{start}{}", digits.concat())
}
