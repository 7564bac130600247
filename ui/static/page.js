// What pages do on top of what they do without JavaScript: parts that renew themselves, addresses, buttons to copy.

// An element with data-refresh="SECONDS" and an id is replaced by that of the same page, loaded again.
async function renew(element) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (answer.status === 401) history.replaceState(null, "", "#ended"); // the page that asks for a token shows it
  if (answer.status === 401 || answer.status === 404) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = answer.ok ? page.getElementById(element.id) : null;
  if (found !== null && found.innerHTML !== element.innerHTML) {
    element.replaceChildren(...document.adoptNode(found).childNodes);
  }
  if (found === null || found.dataset.refresh) later(element);
}

function later(element) {
  setTimeout(() => {
    if (document.hidden) return later(element);
    renew(element).catch(() => later(element)); // the server is away: it may come back
  }, Number(element.dataset.refresh) * 1000);
}

document.querySelectorAll("[data-refresh]").forEach(later);

// The address of trackd as this browser sees it: a proxy may have hidden it from the server.
const here = location.origin + location.pathname.replace(/\/ui\/[^/]*$/, "");

for (const code of document.querySelectorAll("[data-base]")) {
  code.textContent = code.textContent.replaceAll(code.dataset.base, here);
  if (!navigator.clipboard) continue; // not over plain http
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet push";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  code.closest("section").firstElementChild.append(button);
}
