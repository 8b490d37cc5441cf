//! Two processes on the same keys: this one starts itself again as children.

use kv_core::testing::{processes, service};

use crate::place::{namespace, open};

const CHILD: &str = "shared::a_child_plays_its_part";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    processes::play(async |place| {
        let (namespace, url) = place.split_once(' ').unwrap();
        open(url, namespace).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_create_take_or_update_one_wins() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_VALKEY", "LARDER_TEST_REDIS_CLUSTER"] {
        let Some(url) = service(server) else { continue };
        processes::one_wins(CHILD, &format!("{} {url}", namespace()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_count_lose_nothing_and_read_what_another_wrote() {
    let Some(url) = service("LARDER_TEST_REDIS") else { return };
    let namespace = namespace();
    let here = open(&url, &namespace).await.unwrap();
    let place = format!("{namespace} {url}");
    processes::counting_loses_nothing(CHILD, &place, &here).await;
    processes::what_was_acknowledged_is_read(CHILD, &place, &here).await;
}
