//! The private leg: buyer and seller agree on a price and a letter of credit, which the carrier can neither read nor find.
//!
//! The carrier's member gets the masked pins, as every member does, and not a byte of what they are about. That is checked
//! where it counts: in its API and in its files. The same search must find the secret at the seller, so that it means something.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{pdf, text};
use crate::{error::Error, network::client::Client};

/// How long the other side may take to have a private message.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PACE: Duration = Duration::from_millis(5);
/// Bytes read at once when files are searched.
const CHUNK: usize = 1 << 16;

/// Who takes part, and where the members keep their files.
pub(super) struct Leg<'a> {
    pub(super) carrier: &'a Client,
    pub(super) buyer: &'a Client,
    pub(super) seller: &'a Client,
    pub(super) carrier_files: [PathBuf; 2],
    pub(super) seller_files: PathBuf,
}

impl Leg<'_> {
    /// Plays it for this bill. Returns what to print of each message.
    pub(super) async fn play(&self, number: &str) -> Result<Vec<String>, Error> {
        let secret = hex::encode(rand::random::<[u8; 12]>());
        let group = json!({"name": "sale", "members": [
            {"identity": self.buyer.name()},
            {"identity": self.seller.name()},
        ]});
        let offer = json!({
            "header": {"topics": [number], "tag": "price_offered"},
            "group": group,
            "data": [{"value": {"number": number, "price": "USD 61 440", "terms": "letter of credit, 30 days", "reference": secret}}],
        });
        let offer = self.buyer.post("messages/private", &offer).await?;
        let offer_id = text(&offer, "/header/id")?;
        let seen = arrived(self.seller, &offer_id).await?;
        same_hash(&offer, &seen)?;

        let letter = letter_of_credit(number, &secret);
        let letter = self.seller.upload(&format!("{number}-credit.pdf"), "application/pdf", letter).await?;
        let accepted = json!({
            "header": {"topics": [number], "tag": "credit_opened", "cid": offer_id},
            "group": group,
            "data": [{"value": {"number": number, "reference": secret}}, {"id": text(&letter, "/id")?}],
        });
        let accepted = self.seller.post("messages/private", &accepted).await?;
        let accepted_id = text(&accepted, "/header/id")?;
        let seen = arrived(self.buyer, &accepted_id).await?;
        same_hash(&accepted, &seen)?;
        let credit = self.buyer.bytes(&format!("data/{}/blob", text(&letter, "/id")?)).await?;
        if credit != letter_of_credit(number, &secret) {
            return Err(Error::Disagreement("the buyer has another letter of credit".to_owned()));
        }

        self.is_hidden(&[offer_id, accepted_id], &secret).await?;
        let told = |author: &Client, tag: &str, message: &Value| {
            let hash = message["hash"].as_str().unwrap_or_default();
            format!("     {} {tag} {}", author.name(), hash.get(..8).unwrap_or(hash))
        };
        Ok(vec![
            "     in private, between buyer and seller:".to_owned(),
            told(self.buyer, "price_offered", &offer),
            told(self.seller, "credit_opened", &accepted),
            "     the carrier has the masked pins, and no byte of either".to_owned(),
        ])
    }

    /// Fails if the carrier can read or find what is not for it, or if the search cannot find what is there.
    async fn is_hidden(&self, messages: &[String], secret: &str) -> Result<(), Error> {
        for message in messages {
            if self.carrier.exists(&format!("messages/{message}")).await? {
                return Err(Error::Disagreement(format!("the carrier has the private message {message}")));
            }
        }
        for folder in &self.carrier_files {
            if let Some(file) = search(folder, secret).await? {
                return Err(Error::Disagreement(format!("the carrier has a private text in {}", file.display())));
            }
        }
        if search(&self.seller_files, secret).await?.is_none() {
            return Err(Error::Disagreement("the search for private texts does not find them at all".to_owned()));
        }
        Ok(())
    }
}

/// Waits until a member has confirmed a message.
async fn arrived(client: &Client, message: &str) -> Result<Value, Error> {
    let deadline = Instant::now() + ARRIVAL;
    let path = format!("messages/{message}");
    while Instant::now() < deadline {
        if client.exists(&path).await? {
            let found = client.get(&path).await?;
            match found["state"].as_str() {
                Some("confirmed") => return Ok(found),
                Some("rejected") => return Err(Error::Disagreement(format!("message {message} was rejected"))),
                _ => {}
            }
        }
        sleep(PACE).await;
    }
    Err(Error::Late { what: format!("{} seeing {message}", client.name()), seconds: ARRIVAL.as_secs() })
}

fn same_hash(sent: &Value, seen: &Value) -> Result<(), Error> {
    if sent["hash"] == seen["hash"] {
        return Ok(());
    }
    Err(Error::Disagreement(format!("the private message {} has another hash at its recipient", sent["header"]["id"])))
}

fn letter_of_credit(number: &str, secret: &str) -> Vec<u8> {
    pdf::page(&[
        format!("LETTER OF CREDIT for {number}"),
        "Amount:     USD 61 440".to_owned(),
        format!("Reference:  {secret}"),
    ])
}

/// The first file under a folder that holds the text.
async fn search(folder: &Path, text: &str) -> Result<Option<PathBuf>, Error> {
    let (searched, wanted) = (folder.to_owned(), text.as_bytes().to_vec());
    let found = tokio::task::spawn_blocking(move || find(&searched, &wanted));
    match found.await {
        Ok(found) => found.map_err(Error::file("search", folder)),
        Err(error) => Err(Error::Disagreement(format!("the search for private texts broke off: {error}"))),
    }
}

fn find(path: &Path, wanted: &[u8]) -> io::Result<Option<PathBuf>> {
    if !path.is_dir() {
        return Ok(holds(path, wanted)?.then(|| path.to_owned()));
    }
    for entry in fs::read_dir(path)? {
        match find(&entry?.path(), wanted) {
            Ok(None) => {}
            // A node at work removes files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Ok(None)
}

fn holds(file: &Path, wanted: &[u8]) -> io::Result<bool> {
    use io::Read;
    let mut file = fs::File::open(file)?;
    let (mut window, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(false);
        }
        window.extend_from_slice(&chunk[..read]);
        if window.windows(wanted.len()).any(|bytes| bytes == wanted) {
            return Ok(true);
        }
        // What may continue in the next chunk.
        let rest = window.len().saturating_sub(wanted.len() - 1);
        window.drain(..rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let mut content = vec![b'x'; CHUNK - 3];
        fs::write(inner.join("without"), &content).unwrap();
        assert_eq!(search(folder.path(), "secret").await.unwrap(), None);
        content.extend_from_slice(b"secret and more");
        fs::write(inner.join("with"), &content).unwrap();
        assert_eq!(search(folder.path(), "secret").await.unwrap(), Some(inner.join("with")));
        assert!(search(&folder.path().join("none"), "secret").await.is_err());
    }
}
