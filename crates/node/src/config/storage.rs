//! `plugins.sharedstorage[]`: what all members read.

use std::{path::PathBuf, time::Duration};

use super::{
    remote::{self, Remote},
    section::Section,
};

/// A shared storage. The files of this node alone are kept beside it.
#[derive(Clone, Debug)]
pub struct SharedStorage {
    /// Its name.
    pub name: String,
    /// Where contents, or local blobs alone, are kept.
    pub directory: PathBuf,
    /// How long a read waits for members that hold the content. Default 10 s.
    pub download_timeout: Duration,
    /// Where contents are.
    pub kind: SharedStorageKind,
}

/// Where contents are.
#[derive(Clone, Debug)]
pub enum SharedStorageKind {
    /// `embedded`: in files of this node, replicated between the members.
    Embedded,
    /// `ipfs`: in a Kubo node.
    Ipfs(Box<Ipfs>),
}

/// A Kubo node.
#[derive(Clone, Debug)]
pub struct Ipfs {
    /// Where contents are added.
    pub api: Remote,
    /// Where they are read.
    pub gateway: Remote,
}

pub(super) fn read(section: &Section<'_>) -> Option<SharedStorage> {
    let name = section.required("name");
    let (own, kind) = match section.required("type").as_str() {
        "embedded" => (section.section("embedded"), SharedStorageKind::Embedded),
        "ipfs" => {
            let ipfs = section.section("ipfs");
            let (api, gateway) = (remote::read(&ipfs.section("api")), remote::read(&ipfs.section("gateway")));
            (ipfs, SharedStorageKind::Ipfs(Box::new(Ipfs { api, gateway })))
        }
        "" => return None,
        other => {
            section.problem("type", format!("is '{other}', which does not exist; there are embedded and ipfs"));
            return None;
        }
    };
    if matches!(kind, SharedStorageKind::Ipfs(_)) && own.text("directory").is_none() {
        own.problem("directory", "is missing: name a folder for the files of this node, which IPFS does not keep");
    }
    let directory = match kind {
        SharedStorageKind::Embedded => own.required("directory"),
        SharedStorageKind::Ipfs(_) => own.text("directory").unwrap_or_default(),
    };
    let download_timeout = own.duration("downloadTimeout", Duration::from_secs(10));
    Some(SharedStorage { name, directory: PathBuf::from(directory), download_timeout, kind })
}
