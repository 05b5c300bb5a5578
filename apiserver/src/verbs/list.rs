//! list: many objects at one revision, from the cache where it reaches and from the store where not.
//!
//! Source: apiserver `pkg/storage/cacher/delegator.go` and KEP-2340 for consistency, KEP-365 for paging.

use std::sync::Arc;

use apiserver_watch_cache::{Error, Expired, Object, Snapshot};
use base64::DecodeError;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
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
    let found = select(context, target).await?;
    respond::list(context, target, found.items, found.meta).await
}

/// A list, or a page of it.
pub struct Found {
    pub items: Box<dyn Iterator<Item = Arc<Object>> + Send>,
    pub meta: ListMeta,
}

/// Finds what the request's options name.
pub async fn select(context: &Context, target: &Target) -> Result<Found> {
    let mut selection = Selection::read(context, target)?;
    let objects = target.objects()?;
    objects.ready().await?;
    let limit = context.query.number("limit")?.filter(|limit| *limit > 0).map(|limit| limit as usize);
    context.query.number("timeoutSeconds")?;
    let page = Page::read(context, objects, limit.is_some())?;
    // What only has to be new enough comes whole: it costs no more than a part.
    let limit = limit.filter(|_| !page.is_whole);
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
            objects.cache.wait_until(revision, FRESH).await.map_err(|error| {
                let mut status = Status::from(error);
                // The store itself gives no hint when to come back.
                if let Some(details) = &mut status.details {
                    details.retry_after_seconds = 0;
                }
                status
            })?;
            // What the store has forgotten is gone, though the cache may know it still: pages end everywhere at once.
            match objects.cache.snapshot_at(revision) {
                _ if revision < objects.store.compacted() => {
                    stored(context, objects, revision, page.start.as_deref()).await?
                }
                Ok(snapshot) => Contents::Cached(snapshot),
                Err(Error::Expired(_)) => stored(context, objects, revision, page.start.as_deref()).await?,
                Err(error) => return Err(error.into()),
            }
        }
    };
    let revision = page.answer_revision.unwrap_or_else(|| contents.revision());
    let start = page.start.as_deref();
    if selection.converts() {
        let candidates: Vec<Arc<Object>> = contents.list(&selection.candidates(), start).collect();
        selection.convert(&context.server, target, &candidates).await?;
    }
    let found = contents.list(&selection, start);
    let Some(limit) = limit else {
        return Ok(Found { items: found, meta: ListMeta { revision, ..ListMeta::default() } });
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
            let base = objects.range(&context.info.namespace).start;
            let after = last.key().strip_prefix(base.as_str()).unwrap_or_default();
            meta.continue_token =
                Token { v: "meta.k8s.io/v1".into(), rv: revision, start: format!("{}{after}\0", page.lead) }.encode();
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
    Ok(Found { items: Box::new(items.into_iter()), meta })
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
async fn stored(context: &Context, objects: &ObjectStore, revision: i64, start: Option<&str>) -> Result<Contents> {
    let range = objects.range(&context.info.namespace);
    let from = start.filter(|start| *start > range.start.as_str()).unwrap_or(&range.start);
    match objects.store.list(from..range.end.as_str(), 0, Some(revision)).await {
        Ok(read) => {
            objects.cache.prepare(&read.value.items).await;
            let items = read.value.items.into_iter().map(|stored| Arc::new(objects.cache.object(stored))).collect();
            Ok(Contents::Stored(items, revision))
        }
        Err(apiserver_storage::Error::Compacted { .. }) if start.is_some() => {
            let rest = start.unwrap_or_default().strip_prefix(range.start.as_str()).unwrap_or_default();
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
    /// Whether a limit does not count.
    is_whole: bool,
    /// What a continue token's key begins with: upstream's cache and its store do not agree on it.
    lead: &'static str,
}

impl Page {
    fn read(context: &Context, objects: &ObjectStore, limited: bool) -> Result<Page> {
        let version = context.query.get("resourceVersion").unwrap_or_default();
        let matching = context.query.get("resourceVersionMatch").unwrap_or_default();
        let token = context.query.get("continue").unwrap_or_default();
        check_options(version, matching, token, context.query.get("sendInitialEvents").is_some())?;
        if !token.is_empty() {
            if !version.is_empty() && version != "0" {
                return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
            }
            let token = Token::decode(token)?;
            let start = format!("{}{}", objects.range(&context.info.namespace).start, token.start);
            return Ok(if token.rv < 0 {
                Page { at: At::Consistent, start: Some(start), answer_revision: None, is_whole: false, lead: "" }
            } else {
                let answer_revision = Some(token.rv);
                Page { at: At::Exact(token.rv), start: Some(start), answer_revision, is_whole: false, lead: "" }
            });
        }
        let at = match (version, matching) {
            ("", _) => At::Consistent,
            ("0", _) => At::Any,
            (text, matching) => {
                let revision = revision(text)
                    .map_err(|problem| Status::bad_request(format!("invalid resource version: {problem}")))?;
                match matching {
                    "Exact" => At::Exact(revision),
                    // What a page meant before there was a choice.
                    "" if limited => At::Exact(revision),
                    _ => At::NotOlderThan(revision),
                }
            }
        };
        let is_whole = matches!(at, At::Any | At::NotOlderThan(_));
        let lead = if version.is_empty() { "" } else { "/" };
        Ok(Page { at, start: None, answer_revision: None, is_whole, lead })
    }
}

/// The combinations that upstream refuses (`ValidateListOptions`).
fn check_options(version: &str, matching: &str, token: &str, initial_events: bool) -> Result<()> {
    let mut errors = crate::field::ErrorList::default();
    let path = crate::field::Path::new("resourceVersionMatch");
    if !matching.is_empty() {
        if version.is_empty() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !token.is_empty() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            errors.not_supported(&path, &matching.into(), &["Exact", "NotOlderThan", ""]);
        }
        if matching == "Exact" && version == "0" {
            errors.forbidden(&path, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    if initial_events {
        errors.forbidden(&crate::field::Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors)) }
}

/// Base64 as Go reads it: bits behind the last byte do not count.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

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
        let bytes = LENIENT.decode(text).map_err(|error| match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => {
                invalid(&format!("illegal base64 data at input byte {at}"))
            }
            DecodeError::InvalidLength(at) => invalid(&format!("illegal base64 data at input byte {at}")),
            DecodeError::InvalidPadding => invalid("illegal base64 data"),
        })?;
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|error| match bytes.first().copied().map(char::from) {
                None => invalid("unexpected end of JSON input"),
                Some(first) if !first.is_ascii_digit() && !"{[\"tfn- ".contains(first) => {
                    invalid(&format!("invalid character '{first}' looking for beginning of value"))
                }
                Some(_) => invalid(&error.to_string()),
            })?;
        if token.v != "meta.k8s.io/v1" {
            return Err(Status::bad_request(format!(
                "invalid continue token: continue key is not valid: server does not recognize this encoded version {}",
                token.v
            )));
        }
        if token.rv == 0 {
            return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        if token.start.is_empty() {
            return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
        }
        // A key cannot lead out of the range that it is put behind.
        let key = token.start.strip_prefix('/').unwrap_or(&token.start);
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(&token.start));
        }
        Ok(Token { start: key.to_owned(), ..token })
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

    proptest::proptest! {
        #[test]
        fn no_token_makes_it_panic(text in ".{0,40}", rv in -2i64..9, start in "[a-c./\0]{0,12}") {
            let _ = Token::decode(&text);
            let token = Token { v: "meta.k8s.io/v1".into(), rv, start };
            if let Ok(read) = Token::decode(&token.encode()) {
                proptest::prop_assert!(read.start.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }

    #[test]
    fn tokens_survive_the_trip_and_garbage_is_refused() {
        let token = Token { v: "meta.k8s.io/v1".into(), rv: 7, start: "default/a\0".into() };
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        for bad in ["", "!!", "e30", &Token { rv: 0, ..token }.encode()] {
            assert!(Token::decode(bad).is_err(), "{bad}");
        }
    }
}
