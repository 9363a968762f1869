// Goes through the slides of a deck, all or the first few, and returns {slides, faults}:
// test_slides.py runs it in the page.
async (most) => {
  const faults = [];
  const total = Math.min(Reveal.getTotalSlides(), most || Infinity);
  Reveal.slide(0, 0);
  for (let number = 1; number <= total; number++, Reveal.next()) {
    const slide = Reveal.getCurrentSlide();
    const fault = (text) => faults.push(`slide ${number} (${slide.classList[0]}): ${text}`);
    const body = slide.querySelector(".body");
    const box = body.getBoundingClientRect();
    for (const part of slide.querySelectorAll("*")) {
      const { left, top, right, bottom, width, height } = part.getBoundingClientRect();
      if (!width || !height || part.closest(".notes, mjx-assistive-mml")) continue;
      const outside = left < 0 || top < 0 || right > 1280.5 || bottom > 720.5;
      const spills =
        body.contains(part) &&
        (top < box.top - 1.5 || bottom > box.bottom + 1.5 || right > box.right + 1.5);
      if (outside || spills) {
        fault(`${part.tagName} ${part.className} sticks out`);
        break;
      }
    }
    for (const picture of slide.querySelectorAll("img")) {
      await picture.decode().catch(() => {});
      if (!picture.naturalWidth) fault("a picture is not loaded");
      if (!picture.alt.trim()) fault("a picture has no alternative text");
      if (picture.clientHeight < 60) fault("a picture is tiny");
    }
    if (slide.querySelector("mjx-merror")) fault("a formula is wrong");
    if (!slide.querySelector("h1, h2, h3")) fault("no heading");
    const scale = Number(getComputedStyle(slide).getPropertyValue("--scale") || 1);
    if (scale < 0.7) fault(`text is shrunk to ${scale}`);
    const text = body.cloneNode(true);
    text.querySelectorAll("pre, code, mjx-container").forEach((part) => part.remove());
    if (/\$|\\\(|\\\[|\*\*/.test(text.textContent)) fault(`raw: ${text.textContent}`);
    const notes = slide.querySelector(".notes");
    if (notes.querySelector(".tex")) fault("a formula in the notes is not set");
    if (slide.matches(".title, .questions, .remember") && !notes.textContent.trim()) {
      fault("no notes");
    }
    if (number < total && Reveal.isLastSlide()) fault("the deck ends too early");
  }
  return { slides: total, faults };
}
