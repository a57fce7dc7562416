//! Everything a decision depends on.
//!
//! A plan reads by [`Snapshot::get`] and [`Snapshot::list`]. What is not there yet comes back as [`Unread`], which `?` hands to the driver; it reads, and plans again.
//! What was asked for is recorded: that record is the read set, and nobody maintains a map of dependencies by hand.

use crate::backend::BackendError;
use crate::effect::EffectError;
use crate::hub::{ModelAnswer, ModelQuery};
use crate::kinds::Typed;
use crate::object::{Malformed, ObjectKey, Seen};
use crate::read::{Freshness, LogQuery, Read, Selector};
use crate::words;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What the cluster said to one [`Read`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a read by name: the object, or that there is none.
    Object(Option<Seen>),
    /// To a list.
    List(Vec<Seen>),
    /// The cluster does not know the kind: its CRD is not installed.
    NoSuchKind,
    /// To a question for a log: its text, or in the cluster's words why there is none. That is an answer and no error: pods, their containers and their kubelets come and go.
    Log(Result<String, String>),
    /// To a question for a repository.
    Model(ModelAnswer),
    /// To a question for an object of the cloud ([`Kind::is_of_cloud`](crate::Kind::is_of_cloud)): why nothing is known of it. That is an answer and no error, so that a plan tells it: the cloud may be
    /// away for hours, or its credential gone for good, while the API server is well.
    Unknown(BackendError),
}

/// Questions that the snapshot holds no answer to yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread(pub Vec<Read>);

/// One object by name.
#[derive(Debug, PartialEq)]
pub enum Lookup<'a, T> {
    /// There is none, as far as the answer is fresh.
    Absent,
    /// Here it is.
    Found(&'a T),
    /// It is there and cannot be read.
    Malformed(&'a Malformed),
}

impl<T> Clone for Lookup<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Lookup<'_, T> {}

impl<'a, T> Lookup<'a, T> {
    /// The object, where it is there and readable. Not for deciding to create: an unreadable one is not absent.
    pub fn found(self) -> Option<&'a T> {
        match self {
            Lookup::Found(object) => Some(object),
            Lookup::Absent | Lookup::Malformed(_) => None,
        }
    }
}

/// Objects by labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<'a, T> {
    /// The readable ones, by name.
    pub items: Vec<&'a T>,
    /// The others.
    pub malformed: Vec<&'a Malformed>,
    /// The cluster does not know the kind.
    pub no_such_kind: bool,
}

/// The facts that one plan is made from. The same facts give the same plan (I4).
#[derive(Debug, Clone)]
pub struct Snapshot {
    now: Timestamp,
    answers: BTreeMap<Read, Answer>,
    mishaps: Vec<EffectError>,
    asked: RefCell<BTreeSet<Read>>,
}

impl Snapshot {
    /// Nothing is known but the time.
    pub fn new(now: Timestamp) -> Self {
        Self { now, answers: BTreeMap::new(), mishaps: Vec::new(), asked: RefCell::default() }
    }

    /// The time of this decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds an answer; a key is read once a reconcile, so an answer never changes another. Of a log enters what [`LogQuery::keep`] lets through, whoever brings it (I11).
    pub fn answer(&mut self, read: Read, answer: Answer) {
        let answer = match (&read, answer) {
            (Read::Log(query), Answer::Log(log)) => {
                Answer::Log(log.map(|text| query.keep(&text)).map_err(|why| words::quoted(&why)))
            }
            (_, answer) => answer,
        };
        self.answers.insert(read, answer);
    }

    /// Everything that was answered so far.
    pub fn answers(&self) -> impl Iterator<Item = (&Read, &Answer)> {
        self.answers.iter()
    }

    /// Adds what went wrong when this very plan was carried out, so that the status can say so.
    pub fn mishap(&mut self, error: EffectError) {
        self.mishaps.push(error);
    }

    /// What went wrong when this very plan was carried out.
    pub fn mishaps(&self) -> &[EffectError] {
        &self.mishaps
    }

    /// Everything that was asked for so far.
    pub fn reads(&self) -> BTreeSet<Read> {
        self.asked.borrow().clone()
    }

    /// Forgets what was asked for; the driver calls it before each round, so that the record is that of the plan that was carried out.
    pub fn start_round(&self) {
        self.asked.borrow_mut().clear();
    }

    /// Asks for several things at once, so that they are read in one round.
    pub fn need(&self, reads: impl IntoIterator<Item = Read>) -> Result<(), Unread> {
        let mut missing = Vec::new();
        for read in reads {
            if !self.answers.contains_key(&read) {
                missing.push(read.clone());
            }
            self.asked.borrow_mut().insert(read);
        }
        if missing.is_empty() { Ok(()) } else { Err(Unread(missing)) }
    }

    /// One object by name, from the cache.
    pub fn get<T: Typed>(&self, namespace: &str, name: &str) -> Result<Lookup<'_, T>, Unread> {
        self.object(ObjectKey::new(T::KIND, namespace, name), Freshness::Cached)
    }

    /// One object by name; where the cache has none, the API server is asked before that is believed.
    pub fn get_surely<T: Typed>(&self, namespace: &str, name: &str) -> Result<Lookup<'_, T>, Unread> {
        match self.get(namespace, name)? {
            Lookup::Absent => self.object(ObjectKey::new(T::KIND, namespace, name), Freshness::Live),
            there => Ok(there),
        }
    }

    /// One object by key.
    pub fn object<T: Typed>(&self, key: ObjectKey, freshness: Freshness) -> Result<Lookup<'_, T>, Unread> {
        Ok(match self.seen(key, freshness)? {
            Some(Seen::Decoded(object)) => T::of(object).map_or(Lookup::Absent, Lookup::Found),
            Some(Seen::Malformed(malformed)) => Lookup::Malformed(malformed),
            None => Lookup::Absent,
        })
    }

    /// One object by key, of whatever kind the API server holds. Of the cloud's, what is not known would look absent: [`Snapshot::seen_of_cloud`].
    pub fn seen(&self, key: ObjectKey, freshness: Freshness) -> Result<Option<&Seen>, Unread> {
        Ok(self.seen_of_cloud(key, freshness)?.unwrap_or(None))
    }

    /// One object of the cloud by key, or why nothing is known of it: that is no ground to make it, nor to take it for gone.
    pub fn seen_of_cloud(
        &self,
        key: ObjectKey,
        freshness: Freshness,
    ) -> Result<Result<Option<&Seen>, &BackendError>, Unread> {
        Ok(match self.ask(Read::Object { key, freshness })? {
            Answer::Object(seen) => Ok(seen.as_ref()),
            Answer::Unknown(error) => Err(error),
            Answer::List(_) | Answer::NoSuchKind | Answer::Log(_) | Answer::Model(_) => Ok(None),
        })
    }

    /// Whether the answer to a read was that the cluster has no such kind: then nothing follows for any one object.
    pub fn is_kind_missing(&self, read: Read) -> Result<bool, Unread> {
        Ok(matches!(self.ask(read)?, Answer::NoSuchKind))
    }

    /// What a container has printed, or why that cannot be known. Only for a plan that names a time to look again: nothing wakes it when more is printed.
    pub fn log(&self, query: LogQuery) -> Result<Result<&str, &str>, Unread> {
        Ok(match self.ask(Read::Log(query))? {
            Answer::Log(log) => log.as_deref().map_err(String::as_str),
            Answer::Object(_) | Answer::List(_) | Answer::NoSuchKind | Answer::Model(_) | Answer::Unknown(_) => {
                Err("the answer is no log")
            }
        })
    }

    /// What is known of a repository of a hub.
    pub fn model(&self, query: ModelQuery) -> Result<&ModelAnswer, Unread> {
        Ok(match self.ask(Read::Model(query))? {
            Answer::Model(answer) => answer,
            Answer::Object(_) | Answer::List(_) | Answer::NoSuchKind | Answer::Log(_) | Answer::Unknown(_) => {
                &ModelAnswer::Pending
            }
        })
    }

    /// Objects by labels.
    pub fn list<T: Typed>(
        &self,
        namespace: Option<&str>,
        selector: Selector,
        freshness: Freshness,
    ) -> Result<Listing<'_, T>, Unread> {
        self.listing(Read::List { kind: T::KIND, namespace: namespace.map(str::to_owned), selector, freshness })
    }

    fn listing<T: Typed>(&self, read: Read) -> Result<Listing<'_, T>, Unread> {
        let mut listing = Listing { items: Vec::new(), malformed: Vec::new(), no_such_kind: false };
        match self.ask(read)? {
            Answer::List(all) => {
                for seen in all {
                    match seen {
                        Seen::Decoded(object) => listing.items.extend(T::of(object)),
                        Seen::Malformed(malformed) => listing.malformed.push(malformed),
                    }
                }
            }
            Answer::NoSuchKind => listing.no_such_kind = true,
            Answer::Object(_) | Answer::Log(_) | Answer::Model(_) | Answer::Unknown(_) => {}
        }
        Ok(listing)
    }

    /// Every pod on a Node, as the API server has it now.
    pub fn pods_on(&self, node: &str) -> Result<Listing<'_, Pod>, Unread> {
        self.listing(Read::PodsOn { node: node.to_owned() })
    }

    fn ask(&self, read: Read) -> Result<&Answer, Unread> {
        self.asked.borrow_mut().insert(read.clone());
        self.answers.get(&read).ok_or_else(|| Unread(vec![read]))
    }
}
