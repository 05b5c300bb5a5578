//! The OpenAPI documents of what the API server serves: `/openapi/v3` per group and version, `/openapi/v2` as a whole.
//!
//! Documents are put together from the compiled schema, the table of resources and the descriptions in
//! k8s-openapi, which the build script collects. Nothing is made before the first request.

mod convert;
mod custom;
mod definitions;
mod descriptions;
mod document;
mod documents;
mod enums;
mod http;
mod irregular;
mod operation;
mod parameters;
mod paths;
mod protobuf;
mod resource;

pub use convert::v3_of_v2;
pub use custom::{CustomDocuments, definition};
pub use descriptions::Descriptions;
pub use document::Document;
pub use documents::{Documents, parse, unpack};
pub use resource::{Custom, Resource, Subresource};
