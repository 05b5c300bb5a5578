//! list: many objects at one revision, from the cache where it reaches and from the store where not.
//!
//! Source: apiserver `pkg/storage/cacher/delegator.go` and KEP-2340 for consistency, KEP-365 for paging.

use std::sync::Arc;

use apiserver_storage::prefix_end;
use apiserver_watch_cache::{Error, Expired, Object, Snapshot};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Response;
use serde::{Deserialize, Serialize};

use super::get::{FRESH, revision};
use crate::body::Body;
use crate::context::{Context, Target};
use crate::respond::{self, ListMeta};
use crate::selection::Selection;
use crate::status::{Result, Status};
use crate::storage::ObjectStore;

pub async fn list(context: &Context, target: &Target) -> Result<Response<Body>> {
    let selection = Selection::read(context, target)?;
    let objects = target.objects()?;
    objects.ready().await?;
    let limit = context.query.number("limit")?.filter(|limit| *limit > 0).map(|limit| limit as usize);
    let page = Page::read(context, objects)?;
    let contents = match page.at {
        At::Consistent => {
            objects.cache.consistent().await?;
            Contents::Cached(objects.cache.snapshot())
        }
        At::Any => Contents::Cached(objects.cache.snapshot()),
        At::NotOlderThan(revision) => {
            objects.cache.wait_until(revision, FRESH).await?;
            Contents::Cached(objects.cache.snapshot())
        }
        At::Exact(revision) => {
            objects.cache.wait_until(revision, FRESH).await?;
            match objects.cache.snapshot_at(revision) {
                Ok(snapshot) => Contents::Cached(snapshot),
                Err(Error::Expired(_)) => {
                    stored(context, objects, revision, page.start.as_deref(), limit.is_some()).await?
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    let revision = page.answer_revision.unwrap_or_else(|| contents.revision());
    let start = page.start.as_deref();
    let found = contents.list(&selection, start);
    let Some(limit) = limit else {
        return respond::list(context, target, found, ListMeta { revision, ..ListMeta::default() });
    };
    let mut found = found.peekable();
    let mut items = Vec::with_capacity(limit.min(1024));
    while items.len() < limit {
        match found.next() {
            Some(object) => items.push(object),
            None => break,
        }
    }
    let mut meta = ListMeta { revision, ..ListMeta::default() };
    if found.peek().is_some() {
        if let Some(last) = items.last() {
            let after = last.key().strip_prefix(objects.prefix.as_str()).unwrap_or_default();
            meta.continue_token =
                Token { v: "meta.k8s.io/v1".into(), rv: revision, start: format!("{after}\0") }.encode();
        }
        // How many remain is only said when the selection is no guess.
        meta.remaining = selection.is_everything().then(|| match &contents {
            Contents::Cached(snapshot) => {
                let next = items.last().map(|last| format!("{}\0", last.key()));
                snapshot.count(&selection.scope, next.as_deref()) as i64
            }
            Contents::Stored(..) => found.count() as i64,
        });
    }
    respond::list(context, target, items.into_iter(), meta)
}

/// Where the objects of a list come from.
enum Contents {
    Cached(Snapshot),
    /// Read from the store at an older revision.
    Stored(Vec<Arc<Object>>, i64),
}

impl Contents {
    fn revision(&self) -> i64 {
        match self {
            Contents::Cached(snapshot) => snapshot.revision(),
            Contents::Stored(_, revision) => *revision,
        }
    }

    fn list(&self, selection: &Selection, start: Option<&str>) -> Box<dyn Iterator<Item = Arc<Object>> + Send> {
        let filter = selection.filter();
        match self {
            Contents::Cached(snapshot) => {
                let objects = snapshot.list(&selection.scope, start);
                match filter {
                    Some(filter) => Box::new(objects.filter(move |object| filter(object))),
                    None => Box::new(objects),
                }
            }
            Contents::Stored(objects, _) => {
                let scope = selection.scope.clone();
                Box::new(
                    objects.clone().into_iter().filter(move |object| {
                        scope.matches(object) && filter.as_ref().is_none_or(|filter| filter(object))
                    }),
                )
            }
        }
    }
}

/// Reads the range from the store as it was at a revision that the cache has forgotten.
async fn stored(
    context: &Context,
    objects: &ObjectStore,
    revision: i64,
    start: Option<&str>,
    paging: bool,
) -> Result<Contents> {
    let range = objects.range(&context.info.namespace);
    let from = start.filter(|start| *start > range.start.as_str()).unwrap_or(&range.start);
    match objects.store.list(from..range.end.as_str(), 0, Some(revision)).await {
        Ok(read) => {
            let items = read.value.items.into_iter().map(|stored| Arc::new(objects.cache.object(stored))).collect();
            Ok(Contents::Stored(items, revision))
        }
        Err(apiserver_storage::Error::Compacted { .. }) if paging && start.is_some() => {
            let rest = start.unwrap_or_default().strip_prefix(objects.prefix.as_str()).unwrap_or_default();
            let token = Token { v: "meta.k8s.io/v1".into(), rv: -1, start: rest.to_owned() };
            Err(inconsistent(token.encode()))
        }
        Err(apiserver_storage::Error::Compacted { .. }) => {
            Err(Status::expired("The resourceVersion for the provided list is too old."))
        }
        Err(error) => Err(error.into()),
    }
}

/// The token is too old: the client may start over, or go on with what is there now.
fn inconsistent(token: String) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.list_continue = Some(token);
    status
}

/// At which revision a list is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Consistent,
    Any,
    NotOlderThan(i64),
    Exact(i64),
}

/// Which page of a list is asked for.
struct Page {
    at: At,
    /// The first key, from a continue token.
    start: Option<String>,
    /// What the answer says its revision is, where that is not the contents' own.
    answer_revision: Option<i64>,
}

impl Page {
    fn read(context: &Context, objects: &ObjectStore) -> Result<Page> {
        let version = context.query.get("resourceVersion").unwrap_or_default();
        let matching = context.query.get("resourceVersionMatch").unwrap_or_default();
        let token = context.query.get("continue").unwrap_or_default();
        if context.query.get("sendInitialEvents").is_some() {
            return Err(invalid_list_options("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        check_options(version, matching, token)?;
        if !token.is_empty() {
            if !version.is_empty() && version != "0" {
                return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
            }
            let token = Token::decode(token)?;
            let start = format!("{}{}", objects.prefix, token.start);
            if !start.starts_with(&objects.prefix)
                || start >= prefix_end(&objects.prefix)
                || token.start.contains("../")
            {
                return Err(Status::bad_request("continue key is not valid: encoded start key escapes its range"));
            }
            return Ok(if token.rv < 0 {
                Page { at: At::Consistent, start: Some(start), answer_revision: None }
            } else {
                Page { at: At::Exact(token.rv), start: Some(start), answer_revision: Some(token.rv) }
            });
        }
        let at = match (version, matching) {
            ("", _) => At::Consistent,
            ("0", "Exact") => {
                return Err(invalid_list_options(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
            ("0", _) => At::Any,
            (text, matching) => {
                let revision = revision(text)
                    .map_err(|problem| Status::bad_request(format!("invalid resource version: {problem}")))?;
                match matching {
                    "Exact" => At::Exact(revision),
                    // Unset with a limit means the same as exact did before there was a choice.
                    _ => At::NotOlderThan(revision),
                }
            }
        };
        Ok(Page { at, start: None, answer_revision: None })
    }
}

/// The combinations that upstream refuses (`ValidateListOptions`).
fn check_options(version: &str, matching: &str, token: &str) -> Result<()> {
    if matching.is_empty() {
        return Ok(());
    }
    if version.is_empty() {
        return Err(invalid_list_options(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ));
    }
    if !token.is_empty() {
        return Err(invalid_list_options(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden when continue is provided",
        ));
    }
    if !matches!(matching, "Exact" | "NotOlderThan") {
        let detail = format!("Unsupported value: {matching:?}: supported values: \"Exact\", \"NotOlderThan\", \"\"");
        return Err(Status::invalid_options("ListOptions", "FieldValueNotSupported", "resourceVersionMatch", &detail));
    }
    Ok(())
}

/// Options of a list or watch that may not go together.
pub fn invalid_list_options(field: &str, detail: &str) -> Status {
    let mut errors = crate::field::ErrorList::default();
    errors.forbidden(&crate::field::Path::new(field), detail);
    Status::invalid("meta.k8s.io", "ListOptions", "", &errors)
}

/// A continue token: where to go on, and at which revision.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

impl Token {
    fn encode(&self) -> String {
        // A string, a number and a string: serialising them cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Token> {
        let invalid =
            |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .or_else(|_| STANDARD.decode(text))
            .map_err(|error| invalid(&error.to_string()))?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))?;
        if token.v != "meta.k8s.io/v1" {
            return Err(invalid(&format!("server does not recognize this encoded version {:?}", token.v)));
        }
        if token.rv == 0 {
            return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        if token.start.is_empty() {
            return Err(invalid("empty start key"));
        }
        Ok(token)
    }
}

impl From<Expired> for Status {
    fn from(expired: Expired) -> Self {
        Status::expired(format!("too old resource version: {}", expired.oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_trip_and_garbage_is_refused() {
        let token = Token { v: "meta.k8s.io/v1".into(), rv: 7, start: "default/a\0".into() };
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        for bad in ["", "!!", "e30", &Token { rv: 0, ..token }.encode()] {
            assert!(Token::decode(bad).is_err(), "{bad}");
        }
    }
}
