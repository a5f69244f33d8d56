// Before the page is drawn, so that it does not flash: the theme that was chosen on this device.
try {
  const chosen = localStorage.getItem("postroad-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing follows the system.
}
