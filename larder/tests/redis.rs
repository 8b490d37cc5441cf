//! `larder::open` of a Redis URL, with what a URL may ask for beside the server.
#![cfg(feature = "redis")]

use std::time::Duration;

use kv_core::testing::service;
use larder::{Consistency, ErrorKind, Store, StoreExt};

fn namespace(of: &str) -> String {
    format!("test-{of}-{}-{:?}", std::process::id(), std::time::SystemTime::now()).replace(' ', "")
}

#[tokio::test]
async fn a_url_opens_redis_and_valkey_in_the_wrappers_that_it_asks_for() {
    for name in
        ["LARDER_TEST_REDIS", "LARDER_TEST_VALKEY", "LARDER_TEST_REDIS_CLUSTER", "LARDER_TEST_REDIS_SENTINEL"]
    {
        let Some(url) = service(name) else { continue };
        let url = format!(
            "{url}?namespace={}&prefix=app&ttl=10m&timeout=30s&response_timeout=20s",
            namespace("open")
        );
        let store = larder::open(&url).await.unwrap();
        assert_eq!(store.capabilities().backend, "redis");
        assert_eq!(store.capabilities().consistency, Consistency::UntilFailover);
        let codes = store.collection::<String>("codes");
        codes.put("4711", &"ann".to_owned()).await.unwrap();
        let left = store.get(larder::Key::new("codes", "4711")).await.unwrap().unwrap().ttl;
        assert!(left.is_some_and(|left| left <= Duration::from_secs(600)), "{left:?}");
        assert_eq!(codes.take("4711").await.unwrap().as_deref(), Some("ann"));
        assert_eq!(codes.take("4711").await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_password_may_stand_in_a_file_and_the_authority_too() {
    let (Some(url), Some(ca)) = (service("LARDER_TEST_REDIS_TLS"), service("LARDER_TEST_REDIS_TLS_CA"))
    else {
        return;
    };
    let (login, rest) = url.split_once('@').unwrap();
    let (user, password) = login.rsplit_once(':').unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), password).unwrap();
    let place = format!(
        "{user}@{rest}?namespace={}&response_timeout=20s&connect_timeout=20s&timeout=30s",
        namespace("tls")
    );
    let store =
        larder::open(&format!("{place}&tls_ca={ca}&password_file={}", file.path().display())).await.unwrap();
    let codes = store.collection::<String>("codes");
    codes.put("a", &"b".to_owned()).await.unwrap();
    assert_eq!(codes.take("a").await.unwrap().as_deref(), Some("b"));

    std::fs::write(file.path(), "wr0ng").unwrap();
    let url = format!("{place}&tls_ca={ca}&password_file={}", file.path().display());
    let error = larder::open(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
}

#[tokio::test]
async fn a_parameter_that_redis_does_not_know_is_refused_before_anything_is_sent() {
    for (url, advice) in
        [("redis://nowhere.invalid?wayt=1", "`wait`"), ("rediss://nowhere.invalid/x", "number")]
    {
        let error = larder::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}: {error:?}");
        assert!(error.message().contains(advice), "{error}");
    }
}

#[cfg(feature = "encrypt")]
#[tokio::test]
async fn a_server_remembers_by_which_key_values_are_sealed() {
    use larder::encrypt::KeyRing;
    for name in ["LARDER_TEST_REDIS", "LARDER_TEST_REDIS_CLUSTER"] {
        let Some(url) = service(name) else { continue };
        let (keys, place) = (tempfile::tempdir().unwrap(), namespace("sealed"));
        let plain = format!("{url}?namespace={place}&timeout=30s&response_timeout=20s");
        let sealed = |key: &str| {
            let path = keys.path().join(key);
            drop(KeyRing::create_file(&path)); // it is there the second time
            format!("{plain}&encrypt=aead&key_file={}", path.display())
        };
        let early = larder::open(&sealed("other")).await.unwrap();
        let store = larder::open(&sealed("own")).await.unwrap();
        let codes = store.collection::<String>("codes");
        codes.put("4711", &"ann".to_owned()).await.unwrap();
        for url in [plain.clone(), sealed("other")] {
            assert_eq!(larder::open(&url).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
        // Who opened it while nothing was sealed is refused at the first write.
        let refused = early.collection::<String>("codes").put("4712", &"bob".to_owned()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        let again = larder::open(&sealed("own")).await.unwrap();
        let listed = again.scan(larder::Scan::under(""), None).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{listed:?}");
    }
}

#[cfg(feature = "encrypt")]
#[tokio::test]
async fn a_user_of_some_names_needs_the_right_to_the_note_for_sealing_alone() {
    let Some(url) = service("LARDER_TEST_REDIS") else { return };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let place = format!("acl{}x{}", std::process::id(), now.as_nanos());
    let server = url.strip_prefix("redis://").unwrap().split('/').next().unwrap().to_owned();
    let shop = User::new(&server, &place, "shop/*");
    let keys = tempfile::tempdir().unwrap();
    let key_file = keys.path().join("key");
    larder::encrypt::KeyRing::create_file(&key_file).unwrap();
    let sealed = format!("encrypt=aead&key_file={}", key_file.display());

    let store = larder::open(&shop.url(&format!("prefix=shop&{sealed}"))).await.unwrap();
    store.collection::<String>("codes").put("4711", &"ann".to_owned()).await.unwrap();
    assert!(larder::open(&shop.url("prefix=shop")).await.is_err(), "the note lies under the prefix");

    let store = larder::open(&shop.url("")).await.unwrap();
    store.collection::<String>("shop/plain").put("1", &"in the clear".to_owned()).await.unwrap();
    let store = larder::open(&shop.url(&sealed)).await.unwrap();
    let codes = store.collection::<String>("shop/codes");
    assert_eq!(codes.get("4711").await.unwrap().as_deref(), Some("ann"));
    let refused = codes.put("4712", &"bob".to_owned()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Denied, larder::Outcome::NotDone));
    assert!(refused.message().contains("`seal` in the collection `.larder`"), "{refused}");
    assert_eq!(codes.get("4712").await.unwrap(), None);
}

/// A user of the server who may touch the keys of a pattern in one namespace; gone with this.
#[cfg(feature = "encrypt")]
struct User {
    server: String,
    namespace: String,
}

#[cfg(feature = "encrypt")]
impl User {
    fn new(server: &str, namespace: &str, pattern: &str) -> Self {
        let user = Self { server: server.to_owned(), namespace: namespace.to_owned() };
        let rights = format!("~{namespace}:{pattern} &{namespace}:* +@all -@dangerous +info");
        assert_eq!(user.say(&format!("ACL SETUSER {namespace} on >pw {rights}")), "+OK");
        user
    }

    /// The server, for this user, who is named like the namespace.
    fn url(&self, query: &str) -> String {
        let Self { server, namespace } = self;
        format!(
            "redis://{namespace}:pw@{server}/0?namespace={namespace}&timeout=30s&response_timeout=20s&{query}"
        )
    }

    /// What the server answers to this line.
    fn say(&self, line: &str) -> String {
        use std::io::{BufRead as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&self.server).expect("the server listens");
        stream.write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
        let mut answer = String::new();
        std::io::BufReader::new(stream).read_line(&mut answer).expect("it answers");
        answer.trim_end().to_owned()
    }
}

#[cfg(feature = "encrypt")]
impl Drop for User {
    fn drop(&mut self) {
        self.say(&format!("ACL DELUSER {}", self.namespace));
    }
}
