//! Notifications that mean something here: `notifications/cancelled` (2025-11-25, basic/utilities/cancellation) and
//! `notifications/initialized` (2025-11-25, basic/lifecycle).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Operation;
use crate::protocol::{Json, RequestId};

/// The request that a notification cancels.
pub(crate) fn cancelled(operation: &Operation) -> Option<RequestId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled {
        request_id: Box<RawValue>,
    }
    let Operation::Notification { method, params } = operation else { return None };
    if &**method != "notifications/cancelled" {
        return None;
    }
    let cancelled: Cancelled = params.to().ok()?;
    RequestId::new(&Json::parse(Bytes::from(cancelled.request_id.get().to_owned())).ok()?).ok()
}

/// Whether a notification says that its client is initialized.
pub(crate) fn is_initialized(operation: &Operation) -> bool {
    matches!(operation, Operation::Notification { method, .. } if &**method == "notifications/initialized")
}
