#![no_main]

// A page that is read while it comes is the page that is read whole, wherever it is cut.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = sluice_mask::RawPage::read(bytes).ok().and_then(|page| page.fits_schema().ok());
    for cut in 0..bytes.len() {
        let (first, rest) = bytes.split_at(cut);
        if let Ok(start) = sluice_mask::PageStart::open(first.to_vec()) {
            if start.head().schema.is_some() {
                assert_eq!(start.fits_schema(rest, 1 + cut % 7).ok(), whole);
            }
            break;
        }
    }
});
