//! The client of the service.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Builder, Credentials, Region, StalledStreamProtectionConfig};
use kv_core::{Error, ErrorKind, Result};

use crate::config::DynamoConfig;

/// Stands for a region where an endpoint was given and no region: a local server takes any.
const LOCAL_REGION: &str = "us-east-1";

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_millis(1_500);

/// A client for `config`; it connects when it is first used.
///
/// The SDK's own repetitions are off: it would send a `take`, a `Create` or an `Update` again whose answer was lost,
/// and report the failed condition of its own write. What may be sent again the `Retry` wrapper sends again.
///
/// # Errors
/// `Invalid` when no region was given and none is found.
pub(crate) async fn client(config: &DynamoConfig) -> Result<Client> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let region = config.region.as_deref().or_else(|| config.endpoint.as_ref().map(|_| LOCAL_REGION));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(given) = &config.credentials {
        let (id, secret) = (given.access_key_id.clone(), given.secret_access_key.clone());
        let token = given.session_token.clone();
        loader = loader.credentials_provider(Credentials::new(id, secret, token, None, "larder"));
    }
    let found = loader.load().await;
    if found.region().is_none() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "no AWS region was found: add `region=eu-central-1` or the like, or set AWS_REGION",
        ));
    }
    // Ends before the whole does: a connection that was never made is known to have carried nothing.
    let connecting = CONNECTING.min(config.timeout / 2);
    let limits =
        TimeoutConfig::builder().connect_timeout(connecting).operation_timeout(config.timeout).build();
    let settings = Builder::from(&found)
        .retry_config(RetryConfig::disabled())
        .timeout_config(limits)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled()); // the timeout covers it
    Ok(Client::from_conf(settings.build()))
}
