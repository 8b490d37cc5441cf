//! The laws of a store, on the server that `LARDER_TEST_DYNAMODB` names, each law in a table of its own; and where somebody
//! chose to have it, on DynamoDB Local.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use kv_core::Clock;
use kv_core::testing::{Harness, Law, Runtime, Size, Trial, Verdict, service, skip_always, verdict};
use kv_dynamo::{DynamoConfig, DynamoCredentials, DynamoStore};

/// A table on the server; it goes with this.
struct Dynamo {
    endpoint: String,
    table: String,
    clock: Clock,
}

impl Dynamo {
    /// `None`, loudly, where there is no server and nothing requires one.
    fn found() -> Option<Self> {
        service("LARDER_TEST_DYNAMODB").map(Self::at)
    }

    fn at(endpoint: String) -> Self {
        Self { endpoint, table: format!("laws-{:032x}", rand::random::<u128>()), clock: Clock::manual() }
    }
}

impl Drop for Dynamo {
    fn drop(&mut self) {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        let (client, table) = (Client::from_conf(config.build()), self.table.clone());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| drop(runtime.block_on(client.delete_table().table_name(table).send())))
        });
        drop(deleting.join()); // a table that no law made is not there
    }
}

impl Harness for Dynamo {
    type Store = DynamoStore;
    const NAME: &'static str = "dynamodb";

    async fn empty(&self) -> DynamoStore {
        let mut config = DynamoConfig::new(&self.table);
        config.endpoint = Some(self.endpoint.clone());
        config.credentials = Some(DynamoCredentials::new("test", "test"));
        config.namespace = format!("{:032x}", rand::random::<u128>());
        config.create = true;
        config.clock = self.clock.clone();
        DynamoStore::open(config).await.unwrap()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn size(&self) -> Size {
        Size::SMALL
    }

    async fn sibling(&self, store: &DynamoStore) -> Option<DynamoStore> {
        Some(store.clone())
    }
}

kv_core::laws!(match Dynamo::found() {
    Some(harness) => harness,
    None => return,
});

type Run = fn(&Dynamo) -> Trial<'_>;

macro_rules! list {
    (; $($group:ident { $($law:ident: $runtime:ident,)* })*) => {
        const LAWS: &[(Law, Run)] = &[$($((
            Law { group: stringify!($group), name: stringify!($law), runtime: Runtime::$runtime },
            |server| Box::pin(kv_core::testing::laws::$group::$law(server)),
        ),)*)*];
    };
}

kv_core::each_law!([list]);

/// Never required, since its licence is not for everybody (`docs/services.md`); so the page of laws does not count it either.
#[test]
fn where_somebody_chose_to_have_dynamodb_local_it_obeys_all_laws() {
    let Ok(endpoint) = std::env::var("LARDER_TEST_DYNAMODB_LOCAL") else {
        return skip_always("LARDER_TEST_DYNAMODB_LOCAL names no server");
    };
    let server = Dynamo::at(endpoint);
    let broken = LAWS.iter().filter_map(|(law, run)| match verdict(*law, &server, run) {
        Verdict::Broken(how) => Some(format!("{}: {how}", law.name)),
        _ => None,
    });
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
