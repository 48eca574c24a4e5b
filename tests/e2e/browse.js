// Walks through the unsubscribe page with a real browser, as a person does. Called by test_browser.py:
//   node browse.js PAGE-URL CHROMIUM STEP [SCREENSHOT-FOLDER]
// Prints one JSON object: what was seen. What the page's policy forbids and the page still asks for is a failure.
'use strict';

const fs = require('fs');
const path = require('path');
const {chromium} = require('playwright-core');

const [url, executablePath, step, screenshots] = process.argv.slice(2);
const DEADLINE = 30_000;

// Contrast, WCAG 2.1: of every text against what is painted behind it.
const poorContrast = () => {
  const parse = colour => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join('');
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) poor.push(`${contrast.toFixed(1)}:1 ${text}`);
  }
  return poor;
};

// What a screen reader needs: a name for every control, one main heading, landmarks, the language.
const unnamed = () => {
  const missing = [];
  for (const control of document.querySelectorAll('input:not([type=hidden]), textarea, select')) {
    if (!control.labels.length || !control.labels[0].textContent.trim()) missing.push(control.outerHTML);
  }
  for (const button of document.querySelectorAll('button, a, summary')) {
    if (!button.textContent.trim()) missing.push(button.outerHTML);
  }
  for (const image of document.querySelectorAll('img')) if (!image.alt) missing.push(image.outerHTML);
  for (const landmark of ['main', 'h1']) {
    if (document.querySelectorAll(landmark).length !== 1) missing.push(`one <${landmark}>`);
  }
  if (!document.documentElement.lang) missing.push('lang');
  return missing;
};

// What leads to another page, and until that is there: it may have the same address.
async function follow(page, act) {
  await Promise.all([page.waitForNavigation({timeout: DEADLINE}), act]);
}

async function look(page, name) {
  if (screenshots) {
    fs.mkdirSync(screenshots, {recursive: true});
    await page.screenshot({path: path.join(screenshots, `${name}.png`), fullPage: true});
  }
  return {
    heading: await page.locator('h1').innerText(),
    language: await page.locator('html').getAttribute('lang'),
    text: await page.locator('main').innerText(),
    wider: await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth),
    poorContrast: await page.evaluate(poorContrast),
    unnamed: await page.evaluate(unnamed),
    smallButtons: await page.locator('button:visible').evaluateAll(
      buttons => buttons.filter(b => b.getBoundingClientRect().height < 40).map(b => b.textContent)),
  };
}

const steps = {
  async languages(browser, seen) {
    for (const locale of ['en-GB', 'fr-FR', 'de-DE', 'es-ES']) {
      const page = await (await browser.newContext({locale, viewport: {width: 1000, height: 900}})).newPage();
      await open(page, seen);
      seen[locale] = await look(page, `page-${locale.slice(0, 2)}`);
      await follow(page, page.getByRole('link', {name: 'Deutsch'}).click());
      seen[`${locale} chosen`] = await look(page, `chosen-${locale.slice(0, 2)}`);
    }
  },

  async keepSome(browser, seen) {
    const page = await (await browser.newContext({locale: 'en-GB', viewport: {width: 1000, height: 900}})).newPage();
    await open(page, seen);
    await page.getByLabel('Offers').uncheck();
    await page.locator('summary').click();
    await page.getByLabel('Too many messages').check();
    await page.getByLabel(/Anything else/).fill('every day!');
    seen.filled = await look(page, 'page-filled');
    await follow(page, page.getByRole('button', {name: 'Unsubscribe from “Our newsletter”'}).click());
    seen.goodbye = await look(page, 'goodbye');
  },

  async undo(browser, seen) {
    const page = await (await browser.newContext({locale: 'en-GB', viewport: {width: 1000, height: 900}})).newPage();
    await open(page, seen);
    await follow(page, page.getByRole('button', {name: 'Unsubscribe from all newsletters'}).click());
    seen.goodbye = await look(page, 'goodbye-all');
    await follow(page, page.getByRole('button', {name: 'Undo'}).click());
    seen.undone = await look(page, 'undone');
    await follow(page, page.getByRole('link', {name: 'Back to the choices'}).click());
    seen.back = await look(page, 'back');
  },

  async comeBack(browser, seen) {
    const page = await (await browser.newContext({locale: 'en-GB', viewport: {width: 1000, height: 900}})).newPage();
    await open(page, seen);
    await follow(page, page.getByRole('button', {name: 'Unsubscribe from “Our newsletter”'}).click());
    await page.goto(url);
    seen.already = await look(page, 'already');
    await follow(page, page.getByRole('button', {name: 'Write to me again'}).click());
    seen.returned = await look(page, 'returned');
  },

  async phone(browser, seen) {
    const context = await browser.newContext({
      locale: 'en-GB', viewport: {width: 390, height: 844}, deviceScaleFactor: 1, isMobile: true, hasTouch: true});
    const page = await context.newPage();
    await open(page, seen);
    seen.page = await look(page, 'phone');
    await follow(page, page.getByRole('button', {name: 'Unsubscribe from “Our newsletter”'}).tap());
    seen.goodbye = await look(page, 'phone-goodbye');
  },

  // Tab and Enter alone; what has the focus is seen to have it.
  async keyboard(browser, seen) {
    const page = await (await browser.newContext({locale: 'en-GB', viewport: {width: 1000, height: 900}})).newPage();
    await open(page, seen);
    seen.stops = [];
    for (let i = 0; i < 20; ++i) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => {
        const at = document.activeElement;
        const style = getComputedStyle(at);
        const name = at.labels?.length ? at.labels[0].innerText : at.innerText;
        return {name: name.trim(), outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
      });
      seen.stops.push(focused);
      if (focused.name.startsWith('Unsubscribe from “')) break;
    }
    await follow(page, page.keyboard.press('Enter'));
    seen.goodbye = await look(page, 'keyboard-goodbye');
  },

  // The page needs no script.
  async withoutScript(browser, seen) {
    const page = await (await browser.newContext({locale: 'en-GB', javaScriptEnabled: false})).newPage();
    await page.goto(url);
    await follow(page, page.getByRole('button', {name: 'Unsubscribe from “Our newsletter”'}).click());
    seen.heading = await page.locator('h1').innerText();
  },
};

async function open(page, seen) {
  page.setDefaultTimeout(DEADLINE);
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') seen.complaints.push(message.text());
  });
  page.on('requestfailed', request => seen.complaints.push(request.url()));
  page.on('request', request => {
    if (new URL(request.url()).origin !== new URL(url).origin) seen.complaints.push(`third party: ${request.url()}`);
  });
  await page.goto(url);
}

(async () => {
  const browser = await chromium.launch({executablePath, args: ['--no-sandbox']});
  try {
    const seen = {complaints: []};
    await steps[step](browser, seen);
    console.log(JSON.stringify(seen));
  } finally {
    await browser.close();
  }
})().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
