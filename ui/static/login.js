// Exchanges the key of a link for a login, on the page that asks for a token and on the first view: a link may be opened
// while another login lasts, or be pasted over such a page, which does not load it again.
// A page that lacks its cookie is loaded again to get it.
const reload = document.getElementById("reload");
const here = location.pathname + location.search;

function exchange() {
  const key = new URLSearchParams(location.hash.slice(1)).get("k");
  if (!key) return false;
  history.replaceState(null, "", here); // keeps the key out of the history
  const form = document.createElement("form");
  form.method = "post";
  form.action = new URL("login", document.querySelector(".brand a").href).href;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "key";
  field.value = key;
  form.append(field);
  document.body.append(form);
  form.submit();
  return true;
}

addEventListener("hashchange", exchange);

if (exchange()) {
  // it leads elsewhere
} else if (reload) {
  location.replace(reload.href);
} else if (location.hash === "#ended") {
  history.replaceState(null, "", here);
  document.getElementById("ended")?.removeAttribute("hidden");
}
