/** Two soft notes. Browsers allow sound only after somebody touched the page: until then `ready` is false. */
export class Chime {
  private audio: AudioContext | undefined;
  on = true;

  get ready(): boolean {
    return this.on && this.audio?.state === "running";
  }

  async unlock(): Promise<void> {
    this.audio ??= new AudioContext();
    await this.audio.resume();
  }

  ring(): void {
    if (!this.ready || !this.audio) return;
    for (const [index, hertz] of [659.25, 523.25].entries()) this.note(this.audio, hertz, this.audio.currentTime + index * 0.35);
  }

  private note(audio: AudioContext, hertz: number, start: number): void {
    const tone = new OscillatorNode(audio, { type: "sine", frequency: hertz });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.4, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 1.2);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 1.3);
  }
}
