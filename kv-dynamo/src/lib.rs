//! The DynamoDB backend of Larder.
