// On a phone the parts of a page scroll sideways: the present one is brought into view.
document.querySelector(".policy-sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
