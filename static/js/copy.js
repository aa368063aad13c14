// Gives every element marked `data-copy` a button that copies its text. Without JavaScript, or where the
// browser does not let a page copy, there is no button and the text is selected by hand as usual.
(() => {
  "use strict";
  if (!navigator.clipboard) return;

  function addButton(source) {
    if (source.parentElement.classList.contains("copyable")) return;
    const frame = document.createElement(source.tagName === "PRE" ? "div" : "span");
    frame.className = "copyable";
    source.replaceWith(frame);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy secondary outline";
    button.textContent = "Copy";
    const label = source.dataset.copy;
    if (label) button.setAttribute("aria-label", `Copy ${label}`);
    frame.append(source, button);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  }

  document.querySelectorAll("[data-copy]").forEach(addButton);
  document.addEventListener("htmx:load", (event) => {
    event.detail.elt.querySelectorAll("[data-copy]").forEach(addButton);
  });
})();
