//! Two processes of one server on one Redis.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use larder_tests::node::Listens;

use crate::under_test::{free_address, tool, wait_for};

/// One process of the server; it ends with the test.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    store: String,
    child: Child,
}

impl Replica {
    fn start(address: &str, store: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_replicated"))
            .args(["--http", address, "--store", store])
            .stdin(Stdio::null())
            .spawn()
            .expect("the server starts");
        wait_for(address);
        Self { address: address.parse().expect("an address"), store: store.to_owned(), child }
    }

    /// The id of its process, which its answers name.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once (`SIGKILL`), and waits until it has ended.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        *self = Self::start(&self.address.to_string(), &self.store);
    }
}

impl Listens for Replica {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two of them on the Redis of this run, in a place of their own; `None` where there is no Redis.
pub(crate) fn pair(name: &str) -> Option<[Replica; 2]> {
    let url = tool("LARDER_TEST_REDIS")?;
    let store = format!("{}?namespace=replicated-{name}-{}&timeout=30s", url.display(), std::process::id());
    Some([(); 2].map(|()| Replica::start(&free_address(), &store)))
}
