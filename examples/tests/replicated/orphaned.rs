//! A stream whose process is killed in the middle: who reads it elsewhere is told.

use larder_tests::node::{Caller, said};
use serde_json::json;

use super::pair::pair;
use super::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_the_stream_of_a_killed_process_elsewhere_is_told() {
    let Some([mut owner, other]) = pair("orphaned") else { return };
    let caller = Caller::begin_as(&owner, "2025-11-25", "demo-0").await;
    let call = caller.call("steps", &json!({ "count": 1000 }));
    let mut stream = caller.open(&owner, &call).await;
    let (at, _) = said(&mut stream).await.expect("a step");
    stream.disconnect();

    let mut stream = caller.resume(&at.id.expect("an id")).send(other.address).await.head().await;
    let (_, step) = said(&mut stream).await.expect("the step behind it");
    assert_eq!(
        (&step["method"], &step["params"]["progress"]),
        (&json!("notifications/progress"), &json!(2.0))
    );
    tokio::task::block_in_place(|| owner.kill());

    let told = async {
        loop {
            let (_, message) = said(&mut stream).await.expect("an end that is told");
            if message["method"] != "notifications/progress" {
                return message;
            }
        }
    };
    let told = soon("the end of the stream", told).await;
    assert_eq!((&told["id"], &told["error"]["code"]), (&call["id"], &json!(-32603)), "{told}");
    assert_eq!(told["error"]["message"], "the replica running this request is gone");
    assert!(said(&mut stream).await.is_none());
    let ping = caller.send(&other, &caller.request("ping", &json!({}))).await;
    assert_eq!(ping.status, 200, "the session goes on");
}
