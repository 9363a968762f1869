// Sets the formulas, makes every slide fit its box, then hands over to reveal.js.

const LOWEST = 0.62; // of the text's size, below which nothing is shrunk

function fits(slide) {
  const body = slide.querySelector(".body");
  if (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1) {
    return false;
  }
  const picture = body.querySelector("img");
  if (!picture) return true;
  const wanted = (picture.clientWidth * picture.naturalHeight) / picture.naturalWidth;
  return picture.clientHeight >= Math.min(300, wanted - 1);
}

function fitAll() {
  document.body.classList.add("fitting"); // lays all slides out at once, in their own size
  for (const slide of document.querySelectorAll(".slides > section > section")) {
    for (let size = 0.96; !fits(slide) && size > LOWEST; size -= 0.04) {
      slide.style.setProperty("--scale", size.toFixed(2));
    }
  }
  document.body.classList.remove("fitting");
}

function setNotes() {
  // The speaker's window gets the notes as HTML, without this page's styles: so MathML.
  for (const formula of document.querySelectorAll(".notes .tex")) {
    const display = formula.dataset.display === "true";
    formula.outerHTML = MathJax.tex2mml(formula.textContent, { display });
  }
}

function start() {
  Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    center: false,
    hash: true,
    slideNumber: "c",
    transition: "none",
    navigationMode: "linear",
    pdfSeparateFragments: false,
    pdfMaxPagesPerSlide: 1,
    plugins: [RevealNotes],
  });
  const section = (step) => () => Reveal.slide(Reveal.getIndices().h + step, 0);
  Reveal.addKeyBinding({ keyCode: 40, key: "↓", description: "Next section" }, section(1));
  Reveal.addKeyBinding({ keyCode: 38, key: "↑", description: "Previous section" }, section(-1));
}

window.MathJax = {
  tex: { inlineMath: [["\\(", "\\)"]], displayMath: [["\\[", "\\]"]] },
  options: { skipHtmlTags: { "[+]": ["aside"] } },
  startup: {
    pageReady: () =>
      MathJax.startup.defaultPageReady().then(() => document.fonts.ready).then(() => {
        setNotes();
        fitAll();
        start();
      }),
  },
};
