#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(page) = sluice_mask::RawPage::read(bytes) else { return };
    let _ = page.fits_schema();
});
