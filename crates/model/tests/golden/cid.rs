//! Addresses of contents of one chunk, of several, and of more than one node of links can hold.

use photinus_model::cid;

use crate::{file, text};

#[test]
fn addresses_are_those_of_ipfs() {
    let cases = file("cid.json")["cases"].as_array().unwrap().clone();
    let lengths = cases.iter().map(|case| usize::try_from(case["length"].as_u64().unwrap()).unwrap());
    let content: Vec<u8> = (0..lengths.clone().max().unwrap()).map(|i| ((i * 31 + i / 251) % 256) as u8).collect();
    for (case, length) in cases.iter().zip(lengths) {
        let mut builder = cid::Builder::new();
        for piece in content[..length].chunks(100_000) {
            builder.update(piece);
        }
        assert_eq!(builder.finish(), text(case, "cid"), "{length}");
    }
    assert_eq!(cid::of(b"hello blob"), "QmfFySJjKDZqysufdc44aokbvgxq4f2mqZxb9jqk2dAnKW");
}

#[test]
fn texts_that_are_no_addresses() {
    for text in [
        "",
        "QmfFySJjKDZqysufdc44aokbvgxq4f2mqZxb9jqk2dAnK",
        "Qm/FySJjKDZqysufdc44aokbvgxq4f2mqZxb9jqk2dAnKW",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        "zmfFySJjKDZqysufdc44aokbvgxq4f2mqZxb9jqk2dAnKW",
    ] {
        assert!(!cid::is_valid(text), "{text}");
    }
    assert!(cid::is_valid("QmfFySJjKDZqysufdc44aokbvgxq4f2mqZxb9jqk2dAnKW"));
}
